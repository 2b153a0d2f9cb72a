"""A face moves like another, keeping its own shape and size but following mouth and lids."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.models.face.keypoints import GROUPS, MESH
from motioncast.quality.expression import lid_opening, mouth_opening
from motioncast.timeline import face_motion as module
from motioncast.timeline.face_motion import face_motion, shows_face
from motioncast.timeline.motion import RelativeMotion, relative_motion

K = 73  # three of them are not anchored


def face(*, mouth: float = 0.0, eyes: float = 0.05, seed: int = 0) -> np.ndarray:
    """Returns a centred face, half a picture wide, with lips and lids open by given amounts."""
    random = np.random.default_rng(seed)
    points = np.zeros((K, 3), np.float32)
    points[:, 2] = 1
    points[:, :2] = random.uniform(-0.45, 0.45, (K, 2))
    x = np.linspace(-0.1, 0.1, 5)
    for column, (inner, outer) in enumerate(zip(module.INNER_LIPS, module.OUTER_LIPS, strict=True)):
        for (lower, upper), thick in ((inner, 0.0), (outer, 0.04)):
            points[lower, :2] = x[column], 0.2 + mouth / 2 + thick
            points[upper, :2] = x[column], 0.2 - mouth / 2 - thick
    for column, (lower, upper) in enumerate(module.LIDS):
        at = (-0.25 + 0.05 * column, -0.15) if column < 3 else (0.05 + 0.05 * column, -0.15)
        points[lower, :2] = at[0], at[1] + eyes / 2
        points[upper, :2] = at[0], at[1] - eyes / 2
    points[[24, 32], :2] = [[-0.3, -0.15], [0.3, -0.15]]
    return points


def placed(
    points: np.ndarray, scale: float, angle: float, shift: tuple[float, float]
) -> np.ndarray:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ turn.T + np.array(shift)
    return moved.astype(np.float32)


def test_the_indices_are_those_of_the_mesh() -> None:
    lips = [MESH[i] for pair in module.INNER_LIPS for i in pair]
    assert lips == [88, 80, 87, 82, 14, 13, 317, 312, 318, 310]
    assert [MESH[i] for pair in module.LIDS[:3] for i in pair] == [163, 161, 145, 159, 154, 158]
    assert [MESH[i] for pair in module.LIDS[3:] for i in pair] == [390, 388, 374, 386, 381, 385]
    assert [MESH[i] for i in module.CHIN] == [152, 397, 172]
    assert [MESH[i] for pair in module.OUTER_LIPS for i in pair][:4] == [91, 40, 181, 37]
    assert len(MESH) == module.ANCHORED
    firm = {group.first: group.rigidity for group in GROUPS if group.rigidity >= 0.1}
    weights = {first: weight for start, stop, weight in module.FIRM for first in range(start, stop)}
    assert {first: weights[first] for first in firm} == firm
    names = {group.name: (group.first, group.first + group.size) for group in GROUPS}
    assert (names["nose"][0], names["cheeks"][1], names["oval"]) == (48, 56, (56, 68))
    assert (names["left eye"][0], names["right eye"][1]) == (24, 40)


def test_a_person_driven_by_themselves_does_what_they_do() -> None:
    first = face(mouth=0.05)
    now = placed(face(mouth=0.12), 0.95, 0.2, (0.03, -0.02))
    np.testing.assert_allclose(face_motion(first, now, first), now, atol=2e-6)


@pytest.mark.parametrize(("scale", "angle", "shift"), [(0.6, 0.0, (0.1, 0.2)), (1.1, 0.3, (0, 0))])
def test_a_face_of_another_size_and_pose_moves_in_its_own_way(
    scale: float, angle: float, shift: tuple[float, float]
) -> None:
    """The driver is the source's twin elsewhere in the picture; the source follows its motion."""
    source = face()
    reference = placed(source, scale, angle, shift)
    wanted = placed(face(mouth=0.1), 1.0, -0.15, (0.04, 0.03))
    now = placed(wanted, scale, angle, shift)
    np.testing.assert_allclose(face_motion(source, now, reference), wanted, atol=5e-6)


def test_a_mouth_shuts_although_the_driver_began_with_an_open_one() -> None:
    source, reference, shut = face(mouth=0.0), face(mouth=0.15), face(mouth=0.0)
    plain = relative_motion(source, shut, reference)
    assert plain[15, 1] < plain[21, 1]  # the lips would cross
    moved = face_motion(source, shut, reference)
    assert mouth_opening(moved[None])[0] == pytest.approx(0, abs=1e-6)
    spoken = face_motion(source, face(mouth=0.1), reference)
    assert mouth_opening(spoken[None])[0] == pytest.approx(0.1 / 0.6, abs=1e-5)


def test_eyes_shut_whoever_s_they_are() -> None:
    moved = face_motion(face(eyes=0.08), face(eyes=0.0), face(eyes=0.04))
    assert lid_opening(moved[None])[0] == pytest.approx(0, abs=1e-6)
    still = face_motion(face(eyes=0.08), face(eyes=0.04), face(eyes=0.04))
    np.testing.assert_allclose(still, face(eyes=0.08), atol=2e-6)


def test_where_no_face_is_seen_motion_is_the_plain_difference() -> None:
    source, reference, now = face(), face(mouth=0.1), placed(face(seed=4), 1, 0, (0.1, 0))
    now[:, 2] = 0.1
    assert not shows_face(now)
    motion = RelativeMotion(anchored=70)
    motion.move(source, reference, observed=True)
    moved = motion.move(source, now, observed=True)
    np.testing.assert_array_equal(moved, relative_motion(source, now, reference))
    assert RelativeMotion(reference).move(source, reference, observed=True) == pytest.approx(source)


@pytest.mark.parametrize("seed", range(30))
def test_any_keypoints_move_somewhere_in_the_picture(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.choice([-1.0, 0.0, 1.0, 1e-30, 0.3], (3, K, 3)).astype(np.float32)
    points[..., 2] = 1
    points[0, 24:68, :2] = points[0, 24, :2]  # rigid points coincide
    moved = face_motion(*points)
    assert np.isfinite(moved).all()
    assert np.abs(moved).max() <= 1
