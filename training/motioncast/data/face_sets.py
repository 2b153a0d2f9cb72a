"""Makes a face set (`data.faces`) from videos and photographs of people, for `train.face`.

    python -m motioncast.data.face_sets VIDEOS_OR_PHOTOGRAPHS... --out FOLDER [--side 256]
        [--persons LIST.csv] [--matte] [--skip-damaged] [--force]

Videos are framed by the product's rule, each with one crop, for the median of the faces found in
it; the anchored keypoints are those found by the product's own detector in the framed pictures.
Frames without a face are left out, as are videos with a face in less than 80 % of their frames.
Photographs are framed one by one; those of one person become one clip.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from motioncast.client.errors import MotioncastError
from motioncast.data.command_line import Program
from motioncast.data.face_files import FaceFile, FaceFilesError, face_files
from motioncast.data.face_set_command import FaceSetOptions, write_set
from motioncast.data.face_set_writer import LEAST_SHARE, FaceSetWriter, Written
from motioncast.data.found_faces import Finder, load_detector, load_matte
from motioncast.data.framing import ClipFraming
from motioncast.framing import cut


def write_face_set(
    writer: FaceSetWriter,
    files: Sequence[FaceFile],
    side: int,
    framing: ClipFraming,
    finder: Finder,
    skip_damaged: bool = False,
) -> list[str]:
    """Adds videos and photographs to a set, and returns a line for each one left out.

    Raises FaceFilesError for a file that cannot be read to its end, unless `skip_damaged` is set.
    """
    left_out = []
    for name, person, clip in tqdm(_clips(files), desc="finding faces", unit="clip", leave=False):
        video = not clip[0].is_photograph
        frames = _video(clip[0], side, framing) if video else _portraits(clip, side, framing)
        try:
            share = LEAST_SHARE if video else 0.0
            written = writer.write(name, person, finder.find(frames), share)
        except (FaceFilesError, MotioncastError) as error:
            if not skip_damaged:
                raise
            left_out.append(str(error))
            continue
        if not written.frames:
            left_out.append(_too_little(name, written))
    return left_out


def _clips(files: Sequence[FaceFile]) -> list[tuple[str, str, list[FaceFile]]]:
    """Returns name, person and files of every clip: a video, or one person's photographs."""
    albums: dict[str, list[FaceFile]] = defaultdict(list)
    clips: list[tuple[str, str, list[FaceFile]]] = []
    for file in files:
        if file.is_photograph:
            albums[file.person].append(file)
        else:
            clips.append((file.path.stem, file.person, [file]))
    return clips + [(f"{person}_photographs", person, album) for person, album in albums.items()]


def _video(file: FaceFile, side: int, framing: ClipFraming) -> Iterator[np.ndarray]:
    """Yields the frames (side, side, 3) of a video, if any of them shows a face."""
    crop = framing.steady_crop(file.pictures())
    if crop is not None:
        for picture in file.pictures():
            yield cut(picture, crop, side)


def _portraits(
    photographs: Sequence[FaceFile], side: int, framing: ClipFraming
) -> Iterator[np.ndarray]:
    """Yields photographs as frames (side, side, 3), each framed separately."""
    for photograph in photographs:
        for picture in photograph.pictures():
            yield cut(picture, framing.crop(picture), side)


def _too_little(name: str, written: Written) -> str:
    if not written.seen:
        return f"{name}: no face found"
    frames = "frame" if written.seen == 1 else "frames"
    return f"{name}: {written.faces} of {written.seen} {frames} show a face"


@dataclass(frozen=True, kw_only=True)
class VideoSetOptions(FaceSetOptions):
    """What a set of videos and photographs is made of, and how much of it is kept."""

    matte: Annotated[
        bool, typer.Option("--matte", help="also write mattes, the masks of the person")
    ] = False
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="skip damaged files instead of stopping")
    ] = False


def run(options: VideoSetOptions, command: str) -> None:
    """Writes the requested face set; raises Refusal for invalid input."""

    def fill(writer: FaceSetWriter) -> list[str]:
        files = face_files(options.sources, options.persons)
        matte = load_matte() if options.matte else None
        finder = Finder(load_detector(options.checkpoint), matte)
        framing = ClipFraming.shipped()
        return write_face_set(writer, files, options.side, framing, finder, options.skip_damaged)

    write_set(options, fill, options.matte)


main = Program("python -m motioncast.data.face_sets", VideoSetOptions, run, __doc__)


if __name__ == "__main__":
    main()
