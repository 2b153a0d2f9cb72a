"""Sets of animated photographs, made with the product's networks."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.videos import write_png, write_video

from motioncast.data.face_set_writer import FaceSetWriter
from motioncast.data.face_sets import main as write_faces
from motioncast.data.face_variation import open_rooms
from motioncast.data.found_faces import FoundFaces, as_images, load_detector
from motioncast.data.portrait_sets import FRAMES, main
from motioncast.models.face.keypoints import MESH

ASSETS = Path(__file__).parents[4] / "clients" / "motioncast" / "cli" / "assets"
SIDE = 128
ROUNDS = 6


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The speaking man of GRID's clip."""
    folder = tmp_path_factory.mktemp("motion") / "grid"
    write_faces([str(ASSETS / "grid_sbwu5s.mp4"), "--out", str(folder), "--side", str(SIDE)])
    return folder


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photographs") / "man.png"
    with av.open(str(ASSETS / "interview.mp4")) as video:
        (frame,) = islice(video.decode(video=0), 1)
    write_png(path, frame.to_ndarray(format="rgb24").astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, motion: Path, photograph: Path) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    write_png(folder / "room.png", np.full((64, 64, 3), (250, 0, 250), np.uint8))
    out = tmp_path_factory.mktemp("portraits") / "set"
    rooms = ["--rooms", str(folder), "--rounds", str(ROUNDS), "--cache", str(folder / "cache")]
    main([str(photograph), "--motion", str(motion), "--out", str(out), "--side", str(SIDE), *rooms])
    return out


def test_rooms_are_a_frame_a_second_of_every_video(tmp_path: Path) -> None:
    levels = np.arange(30, dtype=np.uint8).reshape(-1, 1, 1, 1) * 8
    frames = np.broadcast_to(levels, (30, 48, 64, 3))
    write_video(tmp_path / "long.mkv", frames)
    write_video(tmp_path / "short.mkv", frames[3:4])
    rooms = open_rooms(tmp_path, tmp_path / "cache")
    assert rooms.shape == (3, 128, 128, 3)
    assert rooms[:, 64, 64, 0].tolist() == pytest.approx([0, 25 * 8, 3 * 8], abs=2)


def clips_of(folder: Path) -> list[dict[str, str | int]]:
    clips: list[dict[str, str | int]] = json.loads((folder / "clips.json").read_text())
    return clips


def test_every_round_is_a_clip_of_the_photographs_person(made: Path) -> None:
    assert clips_of(made) == [
        {"name": f"man_{turn}", "person": "man", "start": 7 * turn, "stop": 7 * turn + FRAMES}
        for turn in range(ROUNDS)
    ]
    assert np.load(made / "frames.npy", mmap_mode="r").shape == (ROUNDS * FRAMES, SIDE, SIDE, 3)


def test_the_keypoints_are_what_the_pictures_show(made: Path) -> None:
    frames = np.load(made / "frames.npy", mmap_mode="r")
    detector = load_detector()
    with torch.inference_mode():
        expected = detector(as_images(frames[[0, 5, 13]]))[..., :2]
    points = np.load(made / "points.npy")
    np.testing.assert_allclose(points[[0, 5, 13]], expected, atol=1e-4)


def test_photographs_move(made: Path) -> None:
    points = np.load(made / "points.npy").reshape(ROUNDS, FRAMES, len(MESH), 2)
    lips = points[:, :, MESH.index(14)] - points[:, :, MESH.index(13)]
    assert np.ptp(np.linalg.norm(lips, axis=-1), axis=1).max() > 0.03  # in half sides


def test_some_people_are_elsewhere_and_some_where_they_were(made: Path) -> None:
    frames = np.load(made / "frames.npy", mmap_mode="r")
    corners = frames[::FRAMES, 2, 2].astype(int)
    with av.open(str(ASSETS / "interview.mp4")) as video:
        wall = next(video.decode(video=0)).to_ndarray(format="rgb24")[1, 1].astype(int)
    as_it_was = np.abs(corners - wall).max(axis=1) < 15
    magenta = (corners[:, 1] < 30) & (corners[:, [0, 2]].min(axis=1) > 90)
    assert as_it_was.any()
    assert magenta.any()


def test_the_same_command_makes_the_same_set(
    tmp_path: Path, motion: Path, photograph: Path
) -> None:
    arguments = [str(photograph), "--motion", str(motion), "--side", str(SIDE), "--rounds", "1"]
    sets: list[NDArray[np.uint8]] = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main([*arguments, "--out", str(tmp_path / name), "--seed", seed])
        sets.append(np.load(tmp_path / name / "frames.npy"))
    np.testing.assert_array_equal(sets[0], sets[1])
    assert not np.array_equal(sets[0], sets[2])


def test_refusals_are_sentences_and_leave_nothing_behind(
    tmp_path: Path, motion: Path, photograph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "set"), "--side", str(SIDE)]
    blank = tmp_path / "blank.png"
    write_png(blank, np.full((64, 64, 3), 100, np.uint8))
    still = tmp_path / "still"
    with FaceSetWriter(still, SIDE) as writer:
        frames = np.zeros((2, SIDE, SIDE, 3), np.uint8)
        points = np.zeros((2, len(MESH), 2), np.float32)
        writer.write("two", "man", [FoundFaces(frames, points, np.ones(2, bool))])

    def refusal(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main([*arguments, *out])
        assert end.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    moved = ("--motion", str(motion))
    clip = str(ASSETS / "interview.mp4")
    assert "interview.mp4: is not a photograph" in refusal(clip, *moved)
    assert "no clip shows a face" in refusal(str(blank), *moved)
    assert "all clips are shorter than 13 frames" in refusal(
        str(photograph), "--motion", str(still)
    )
    assert "is not a face set" in refusal(str(photograph), "--motion", str(tmp_path))
    assert "no person with at least two frames is left" in refusal(
        str(photograph), *moved, "--without", "grid_sbwu5s"
    )
    assert "nowhere is not a folder" in refusal(str(photograph), *moved, "--rooms", "nowhere")
    assert {path.name for path in tmp_path.iterdir()} == {"blank.png", "still"}
