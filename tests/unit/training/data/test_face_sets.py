"""Face sets made from videos and photographs with the product's networks."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support.videos import write_png, write_video

from motioncast.data.face_files import FaceFilesError, face_files
from motioncast.data.face_set_writer import FaceSetWriter
from motioncast.data.face_sets import main
from motioncast.data.faces import FaceSampler, FaceSet, FaceSetError
from motioncast.data.found_faces import FoundFaces
from motioncast.data.framing import ClipFraming
from motioncast.framing import cut
from motioncast.models.face.keypoints import MESH

ASSETS = Path(__file__).parents[4] / "clients" / "motioncast" / "cli" / "assets"
SIDE = 128
Frames = NDArray[np.uint8]


def frames_of(name: str, count: int) -> Frames:
    with av.open(str(ASSETS / name)) as video:
        frames = islice(video.decode(video=0), count)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def points_of(frame: Frames) -> NDArray[np.float32]:
    """Returns dummy anchored keypoints, for code that only stores them."""
    return np.zeros((len(frame), len(MESH), 2), np.float32)


@pytest.fixture(scope="module")
def interview() -> Frames:
    return frames_of("interview.mp4", 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, interview: Frames) -> Path:
    """A clip of a man, a clip that shows him half of the time, and photographs of another man."""
    folder = tmp_path_factory.mktemp("people")
    wide = np.pad(interview, ((0, 0), (20, 40), (90, 30), (0, 0)), mode="edge")
    nobody = np.full_like(wide[:1], 100)
    write_video(folder / "wide.mkv", np.concatenate([wide[:8], nobody]))
    write_video(folder / "half.mkv", np.concatenate([wide[:3], nobody, nobody, nobody]))
    for number, frame in enumerate(frames_of("grid_sbwu5s.mp4", 2)):
        write_png(folder / f"photograph_{number}.png", frame)
    (folder / "persons.csv").write_text(
        "file,person_id\n"
        "elsewhere/people/wide.mkv,man\nphotograph_0.png,other\nphotograph_1.png,other\n"
    )
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    out = tmp_path_factory.mktemp("sets") / "people"
    persons = str(folder / "persons.csv")
    main([str(folder), "--out", str(out), "--side", str(SIDE), "--persons", persons, "--matte"])
    return out


def test_clips_are_whole_videos_and_one_persons_photographs(made: Path) -> None:
    clips = json.loads((made / "clips.json").read_text())
    assert clips == [
        {"name": "wide", "person": "man", "start": 0, "stop": 8},
        {"name": "other_photographs", "person": "other", "start": 8, "stop": 10},
    ]


def test_videos_are_framed_by_the_products_rule(
    made: Path, folder: Path, interview: Frames
) -> None:
    wide = np.pad(interview[:8], ((0, 0), (20, 40), (90, 30), (0, 0)), mode="edge")
    framing = ClipFraming.shipped()
    # Of the analysed frames 0 and 5, one without a face is ignored.
    crop = framing.steady_crop([wide[0]] * 5 + [np.full_like(wide[0], 100)] * 5)
    assert crop == framing.crop(wide[0])
    frames = np.load(made / "frames.npy", mmap_mode="r")
    assert frames.shape == (10, SIDE, SIDE, 3)
    steady = framing.steady_crop(wide)
    assert steady is not None
    np.testing.assert_array_equal(frames[:8], [cut(picture, steady, SIDE) for picture in wide])


def test_a_crop_is_of_the_median_of_the_faces() -> None:
    wide = np.pad(frames_of("interview.mp4", 1)[0], ((80, 80), (200, 200), (0, 0)), mode="edge")
    moved = [np.roll(wide, 40 * step, axis=1) for step in (0, 1, 3)]  # pixels to the right
    framing = ClipFraming.shipped()
    crop = framing.steady_crop([picture for picture in moved for _ in range(5)])
    assert crop is not None
    middle = framing.crop(moved[1])
    assert (crop.left, crop.top, crop.side) == pytest.approx(
        (middle.left, middle.top, middle.side), abs=0.02 * middle.side
    )


def test_keypoints_are_where_mediapipe_sees_them(made: Path) -> None:
    # Recorded once from the GRID clip's first frame, from 0 to 1, see test_face_networks. That
    # picture is already framed, so positions in it are those in the frame.
    places = {61: (0.3447, 0.7269), 291: (0.5140, 0.7231), 33: (0.2742, 0.4690)}
    points = np.load(made / "points.npy")
    for point, place in places.items():
        found = (points[8, MESH.index(point)] + 1) / 2 * (SIDE - 1) / SIDE + 0.5 / SIDE
        assert found == pytest.approx(place, abs=0.012)  # 4 % of the eyes' distance


def test_mattes_hold_the_person(made: Path) -> None:
    mattes = np.load(made / "mattes.npy", mmap_mode="r")
    assert mattes.shape == (10, SIDE // 2, SIDE // 2)
    assert mattes.dtype == np.uint8
    # GRID's man in front of his wall: nose and collar, then the corners above him.
    assert mattes[8, 38, 28] > 250
    assert mattes[8, 62, 32] > 250
    assert mattes[8, 1, [1, -2]].max() < 5


def test_a_training_draws_from_the_set(made: Path) -> None:
    faces = FaceSet(made, 1.0)
    assert [len(clips) for clips in faces.persons] == [1, 1]
    batch = FaceSampler([faces], 2, seed=0, side=SIDE).draw(0)
    assert batch.source.shape == (2, 3, SIDE, SIDE)


def test_what_is_no_set_is_named(made: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceSetError, match=r"is not a face set .*clips\.json"):
        FaceSet(tmp_path, 1.0)
    (tmp_path / "clips.json").write_text('[{"clip": "a"}]')
    with pytest.raises(FaceSetError, match="is not a face set"):
        FaceSet(tmp_path, 1.0)
    with pytest.raises(FaceSetError, match="no person with at least two frames is left"):
        FaceSet(made, 1.0, frozenset({"man", "other"}))


def test_what_is_left_out_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [str(folder / name) for name in ("wide.mkv", "half.mkv", "photograph_0.png")]
    main([*sources, "--out", str(tmp_path / "set"), "--side", str(SIDE)])
    assert capsys.readouterr().out.splitlines() == [
        "left out: half: 3 of 6 frames show a face",
        "left out: photograph_0_photographs: 1 of 1 frame show a face",
        f"{tmp_path / 'set'}: 1 clips of 1 people, 8 frames",
    ]


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Returns the error of a refused command line."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_refusals_are_sentences_and_leave_nothing_behind(
    tmp_path: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    out = ["--out", str(work / "set"), "--side", str(SIDE)]
    clip = str(ASSETS / "interview.mp4")
    nobody = tmp_path / "nobody.mkv"
    write_video(nobody, np.full((3, 64, 64, 3), 100, np.uint8))
    cut_off = tmp_path / "cut_off.mp4"
    cut_off.write_bytes((ASSETS / "interview.mp4").read_bytes()[:20_000])

    assert "nowhere: no such file or folder" in refusal(["nowhere", *out], capsys)
    assert "no videos or photographs" in refusal([str(work), *out], capsys)
    assert "no clip shows a face" in refusal([str(nobody), *out], capsys)
    assert "cut_off.mp4" in refusal([str(cut_off), *out], capsys)
    assert "no such list" in refusal([clip, "--persons", "none.csv", *out], capsys)
    assert "no such checkpoint" in refusal([clip, "--checkpoint", "none.pt", *out], capsys)
    assert "multiple of 128" in refusal([clip, *out[:2], "--side", "200"], capsys)
    assert "'--threads'" in refusal([clip, *out, "--threads", "0"], capsys)
    assert "already exists" in refusal([clip, "--out", str(made)], capsys)
    assert list(work.iterdir()) == []


def test_a_damaged_file_is_left_out_when_that_is_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes((folder / "wide.mkv").read_bytes()[:-40_000])
    arguments = [str(damaged), str(folder / "wide.mkv"), "--out", str(tmp_path / "set")]
    main([*arguments, "--side", str(SIDE), "--skip-damaged"])
    assert "left out: " in capsys.readouterr().out
    clips = json.loads((tmp_path / "set" / "clips.json").read_text())
    assert [(clip["name"], clip["start"], clip["stop"]) for clip in clips] == [("wide", 0, 8)]
    assert len(np.load(tmp_path / "set" / "frames.npy", mmap_mode="r")) == 8


def found(levels: list[int], present: list[bool]) -> FoundFaces:
    frames = np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])
    return FoundFaces(frames, points_of(frames), np.array(present))


def test_only_frames_with_a_face_are_written(tmp_path: Path) -> None:
    with FaceSetWriter(tmp_path / "set", 4) as writer:
        few = writer.write("few", "a", [found([1, 2], [True, False])])
        many = writer.write("many", "a", [found([3, 4], [True, False]), found([5], [True])])
        share = writer.write("share", "b", [found([6, 7, 8], [True, True, False])], 0.8)
    assert few == (0, 1, 2)
    assert many == (2, 2, 3)
    assert share == (0, 2, 3)
    frames = np.load(tmp_path / "set" / "frames.npy", mmap_mode="r")
    assert frames[:, 0, 0, 0].tolist() == [3, 5]
    assert len(np.load(tmp_path / "set" / "points.npy")) == 2


def test_a_set_is_replaced_by_a_whole_one_alone(tmp_path: Path) -> None:
    out = tmp_path / "set"
    with FaceSetWriter(out, 4) as writer:
        writer.write("first", "a", [found([1, 2], [True, True])])
    with pytest.raises(FaceSetError, match="already"):
        FaceSetWriter(out, 4)

    def interrupted() -> None:
        with FaceSetWriter(out, 4, force=True) as writer:
            writer.write("second", "a", [found([3, 4], [True, True])])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads((out / "clips.json").read_text())[0]["name"] == "first"
    with FaceSetWriter(out, 4, force=True) as writer:
        writer.write("second", "a", [found([3, 4], [True, True])])
    assert json.loads((out / "clips.json").read_text())[0]["name"] == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    (tmp_path / "papers").mkdir()
    with pytest.raises(FaceSetError, match="not a face set, so --force"):
        FaceSetWriter(tmp_path / "papers", 4, force=True)


def test_a_file_is_the_person_of_the_row_that_ends_most_like_its_path(tmp_path: Path) -> None:
    for name in ("london", "canada"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "01.jpg").touch()
    persons = tmp_path / "persons.csv"
    persons.write_text("file,licence,person_id\nset/london/01.jpg,CC,l1\ncanada/01.jpg,CC,c1\n")
    folders = [tmp_path / "london", tmp_path / "canada"]
    assert [file.person for file in face_files(folders, persons)] == ["l1", "c1"]
    with pytest.raises(FaceFilesError, match="have the same name; use --persons"):
        face_files(folders)
    persons.write_text("file,person_id\n01.jpg,l1\n01.jpg,c1\n")
    with pytest.raises(FaceFilesError, match=r"rows of several persons \(c1, l1\)"):
        face_files(folders, persons)
    persons.write_text("name,person_id\n01.jpg,l1\n")
    with pytest.raises(FaceFilesError, match="no column 'file'"):
        face_files(folders, persons)
    persons.write_text("file,person_id\nelsewhere.jpg,l1\n")
    (named,) = face_files([tmp_path / "london" / "01.jpg"], persons)
    assert named.person == "01"
