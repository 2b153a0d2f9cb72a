"""The points measured for expression match the table of anchored keypoints."""

from __future__ import annotations

from motioncast.models.configurations import CONFIGURATIONS
from motioncast.models.face.keypoints import ANCHORED, MESH
from motioncast.quality import expression


def test_the_points_are_those_of_the_face_mesh() -> None:
    # MediaPipe's face mesh: 13 and 14 are the inner middles of the lips, 159 and 145, 386 and 374
    # the middles of the lids, 33 and 263 the outer corners of the eyes.
    assert tuple(MESH[place] for place in expression.LIPS) == (13, 14)
    lids = tuple(tuple(MESH[place] for place in pair) for pair in expression.LIDS)
    assert lids == ((159, 145), (386, 374))
    assert tuple(MESH[place] for place in expression.EYES) == (33, 263)
    assert expression.ANCHORED == ANCHORED


def test_the_configurations_of_faces_alone_have_anchored_keypoints() -> None:
    anchored = {name: one.anchored_keypoints for name, one in CONFIGURATIONS.items()}
    assert {name for name, count in anchored.items() if count} == {"face128", "face256"}
    assert all(expression.shows_expression(anchored[name]) for name in ("face128", "face256"))
