"""Makes talking photographs from photographs and sets of moving faces (`data.portraits`).

    python -m motioncast.data.portrait_sets PHOTOGRAPHS... --motion SET --out FOLDER [--side 256]
        [--motion SET ...] [--rounds 2] [--rooms FOLDER] [--persons LIST.csv]
        [--without PERSON ...] [--force]

Every round gives each photograph the motion of seven frames of somebody in the sets, who is drawn
by person; half of the people are placed in front of another room. The anchored keypoints are those
that the product's own detector finds in the generated pictures, so they describe what is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import torch
import typer
from torch import Tensor
from tqdm import tqdm

from motioncast.data.clip_cache import DEFAULT_CACHE
from motioncast.data.command_line import Program
from motioncast.data.face_files import FaceFile, FaceFilesError, face_files
from motioncast.data.face_set_command import FaceSetOptions, write_set
from motioncast.data.face_set_writer import LEAST_SHARE, FaceSetWriter
from motioncast.data.face_variation import draw_room, open_rooms
from motioncast.data.faces import Clip, FaceSet, openings, refuse_unknown_people
from motioncast.data.found_faces import (
    LEAST_PRESENCE,
    SIDE_STEP,
    Finder,
    Frames,
    as_images,
    load_detector,
    load_matte,
    person,
)
from motioncast.data.framing import ClipFraming
from motioncast.data.portraits import Face, animate
from motioncast.data.rooms import made_up_wall
from motioncast.framing import Crop, cut
from motioncast.models.face.anchored import AnchoredDetector
from motioncast.models.face.keypoints import MESH
from motioncast.models.mediapipe.matte import PersonMatte

FRAMES: Final = 7  # of a clip, the first being the original photograph
LEAST_MOTION: Final = 13  # minimum length in frames of a driving clip
MARGIN: Final = 1.25  # side of the part of a photograph that is kept, over the product's framing
ELSEWHERE: Final = 0.5  # share of the clips placed in front of another room
WIDEST: Final = 0.5  # share of the clips that include their driver's mouth at its widest
LIKENESS: Final = np.array([1.0, 2.0])  # weights of mouth and lids
DRAWS: Final = 4  # attempts to draw drivers whose frames all show a face


@dataclass(frozen=True, slots=True)
class Studio:
    """The tools that make photographs talk; portraits have a side of `side` pixels."""

    side: int
    framing: ClipFraming
    detector: AnchoredDetector
    matte: PersonMatte
    drivers: Sequence[tuple[FaceSet, Sequence[Clip]]]  # the clips of each person
    rooms: Frames | None = None  # (R, h, h, 3); synthetic if None

    def photograph(self, file: FaceFile) -> Face | None:
        """Returns a photograph, framed with a margin, and its mesh; None if it has no face.

        Raises FaceFilesError when it cannot be read.
        """
        (picture,) = file.pictures()
        side = SIDE_STEP * -(-int(MARGIN * self.side) // SIDE_STEP)
        frame = cut(picture, _wider(self.framing.crop(picture)), side)
        faces = self._faces(frame[np.newaxis])
        if faces is None:
            return None
        return Face(faces[0].image, faces[0].points, person(self.matte, as_images(frame[None]))[0])

    def talk(self, portrait: Face, random: np.random.Generator) -> Frames | None:
        """Returns a photograph in motion (T, S, S, 3), the first frame being the original.

        Returns None if every attempt drew a frame without a face.
        """
        own = openings(portrait.points[np.newaxis, list(MESH)])[0]
        for _ in range(DRAWS):
            drivers = self._faces(self._draw(own, random))
            if drivers is not None:
                break
        else:
            return None
        room = self._room(random) if random.random() < ELSEWHERE else None
        frames, _ = animate(portrait, drivers, self.side, random, room)
        levels = (frames.permute(0, 2, 3, 1) * 255).round().to(torch.uint8)
        return levels.numpy()

    def _draw(self, own: npt.NDArray[np.float32], random: np.random.Generator) -> Frames:
        """Draws frames of one person, the first with an expression close to the given one."""
        faces, clips = self.drivers[int(random.integers(len(self.drivers)))]
        clip = clips[int(random.integers(len(clips)))]
        expressions = faces.openings[clip.start : clip.stop]
        others = random.choice(len(expressions), FRAMES - 1, replace=False)
        if random.random() < WIDEST:
            others[0] = expressions[:, 0].argmax()
        like = (np.abs(expressions - own) @ LIKENESS).argmin()
        return np.stack([faces.frames[clip.start + int(row)] for row in (like, *others)])

    def _faces(self, frames: Frames) -> list[Face] | None:
        """Returns the meshes of frames (N, S, S, 3), or None unless all of them have one."""
        images = as_images(frames)
        mesh = self.detector.whole(images).numpy()
        if (mesh[:, 0, 2] < LEAST_PRESENCE).any():
            return None
        return [Face(image, points[:, :2]) for image, points in zip(images, mesh, strict=True)]

    def _room(self, random: np.random.Generator) -> Tensor:
        if self.rooms is None:
            return made_up_wall(random, self.side)
        return as_images(draw_room(self.rooms, self.side, random)[np.newaxis])[0]


def write_portraits(
    writer: FaceSetWriter, photographs: Sequence[FaceFile], studio: Studio, rounds: int, seed: int
) -> list[str]:
    """Adds the photographs to a set, each once in every round, and returns a line for each clip
    that is left out.

    Raises FaceFilesError for an unreadable photograph.
    """
    finder, left_out = Finder(studio.detector), []
    for number, file in enumerate(tqdm(photographs, unit="photograph", leave=False)):
        portrait = studio.photograph(file)
        if portrait is None:
            left_out.append(f"{file.path.name}: no face found")
            continue
        for turn in range(rounds):
            frames = studio.talk(portrait, np.random.default_rng([seed, turn, number]))
            name = f"{file.path.stem}_{turn}"
            found = [] if frames is None else [finder.look(frames)]
            if not writer.write(name, file.person, found, LEAST_SHARE).frames:
                left_out.append(f"{name}: too few of the generated frames show a face")
    return left_out


def open_drivers(
    folders: Sequence[Path], without: Sequence[str] = ()
) -> list[tuple[FaceSet, Sequence[Clip]]]:
    """Returns the clips of every person in face sets that are long enough to give motion.

    Raises FaceFilesError when there is none, FaceSetError when a folder is not a face set, or
    an excluded person is in none.
    """
    sets = [FaceSet(folder, 1.0, frozenset(without)) for folder in folders]
    refuse_unknown_people(sets, without)
    drivers: list[tuple[FaceSet, Sequence[Clip]]] = []
    for faces in sets:
        for clips in faces.persons:
            long = [clip for clip in clips if clip.stop - clip.start >= LEAST_MOTION]
            if long:
                drivers.append((faces, long))
    if not drivers:
        raise FaceFilesError(f"--motion: all clips are shorter than {LEAST_MOTION} frames")
    return drivers


def _wider(crop: Crop) -> Crop:
    margin = (MARGIN - 1) / 2 * crop.side
    return Crop(crop.left - margin, crop.top - margin, MARGIN * crop.side).rounded()


@dataclass(frozen=True, kw_only=True)
class PortraitSetOptions(FaceSetOptions):
    """Which photographs are animated, and whose motion they are given."""

    motion: Annotated[
        list[Path],
        typer.Option(metavar="SET", help="face set whose motion to use; may be repeated"),
    ]
    rounds: Annotated[
        int, typer.Option(min=1, help="number of clips to make from each photograph")
    ] = 2
    rooms: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="folder of videos or photographs to use as backgrounds"
        ),
    ] = None
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERSON", help="person to exclude as a motion source; may be repeated"
        ),
    ] = None
    seed: int = 0
    cache: Annotated[
        Path, typer.Option(metavar="FOLDER", help="cache folder for decoded backgrounds")
    ] = DEFAULT_CACHE


def run(options: PortraitSetOptions, command: str) -> None:
    """Writes the requested set of portraits; raises Refusal for invalid input."""

    def fill(writer: FaceSetWriter) -> list[str]:
        files = face_files(options.sources, options.persons)
        if films := [file.path for file in files if not file.is_photograph]:
            raise FaceFilesError(f"{films[0]}: is not a photograph")
        return write_portraits(writer, files, _studio(options), options.rounds, options.seed)

    write_set(options, fill)


def _studio(options: PortraitSetOptions) -> Studio:
    return Studio(
        options.side,
        ClipFraming.shipped(),
        load_detector(options.checkpoint),
        load_matte(),
        open_drivers(options.motion, options.without or []),
        None if options.rooms is None else open_rooms(options.rooms, options.cache),
    )


main = Program("python -m motioncast.data.portrait_sets", PortraitSetOptions, run, __doc__)


if __name__ == "__main__":
    main()
