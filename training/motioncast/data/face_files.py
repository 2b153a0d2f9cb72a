"""Videos and photographs of people, and the person each of them shows."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import numpy.typing as npt

from motioncast.client.errors import MotioncastError
from motioncast.client.video import read_image, read_video

VIDEOS: Final = frozenset({".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm"})
PHOTOGRAPHS: Final = frozenset({".avif", ".heic", ".jpeg", ".jpg", ".png", ".webp"})

Picture = npt.NDArray[np.uint8]  # (H, W, 3), RGB


class FaceFilesError(ValueError):
    """Raised when files or the list of persons cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class FaceFile:
    """A video or a photograph of one person."""

    path: Path
    person: str

    @property
    def is_photograph(self) -> bool:
        """Whether the file name has a photograph's suffix; PNG counts as a photograph here."""
        return self.path.suffix.lower() in PHOTOGRAPHS

    def pictures(self) -> Iterator[Picture]:
        """Yields the full pictures, upright, one after the other.

        Raises FaceFilesError, possibly midway, when the file cannot be read to its end.
        """
        try:
            if self.is_photograph:
                yield read_image(self.path, None)
            else:
                with read_video(self.path, None) as video:
                    yield from video.frames
        except MotioncastError as error:
            raise FaceFilesError(f"{self.path}: {error}") from error


def face_files(sources: Sequence[Path], persons: Path | None = None) -> list[FaceFile]:
    """Returns the given videos and photographs, and those directly below the given folders.

    Args:
        sources: Files and folders; a folder's files are taken in order of their names.
        persons: A CSV list with the columns file and person_id. A row applies to the file whose
            path shares the longest ending with the row's. A file without a row is its own person,
            named like the file; so is every file when there is no list.

    Raises:
        FaceFilesError: A source is missing, is neither a video nor a photograph, or contains none;
            a file matches rows of several persons equally well; or the list cannot be read.
    """
    paths = list(dict.fromkeys(path for source in sources for path in _files_of(source)))
    if persons is None:
        named: dict[str, Path] = {}
        for path in paths:
            if (other := named.setdefault(path.stem, path)) != path:
                raise FaceFilesError(
                    f"{path} and {other} have the same name; use --persons to say whom each shows"
                )
        return [FaceFile(path, path.stem) for path in paths]
    rows = _rows(persons)
    return [FaceFile(path, _person(path, rows, persons)) for path in paths]


def _files_of(source: Path) -> list[Path]:
    known = VIDEOS | PHOTOGRAPHS
    if source.is_dir():
        found = sorted(path for path in source.iterdir() if path.suffix.lower() in known)
        if not found:
            raise FaceFilesError(f"{source}: the folder contains no videos or photographs")
        return found
    if not source.is_file():
        raise FaceFilesError(f"{source}: no such file or folder")
    if source.suffix.lower() not in known:
        raise FaceFilesError(
            f"{source}: is neither a video nor a photograph ({', '.join(sorted(known))})"
        )
    return [source]


def _rows(persons: Path) -> dict[str, list[tuple[PurePath, str]]]:
    """Returns the files and persons of a list, indexed by file name."""
    if not persons.is_file():
        raise FaceFilesError(f"{persons}: no such list of persons")
    rows: dict[str, list[tuple[PurePath, str]]] = {}
    try:
        with persons.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                name, person = row["file"], row["person_id"]
                if not name or not person:
                    raise FaceFilesError(f"{persons}: a row has no file or no person_id")
                path = PurePath(name)
                rows.setdefault(path.name, []).append((path, person))
    except KeyError as error:
        raise FaceFilesError(f"{persons}: has no column {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FaceFilesError(f"{persons}: is not a CSV file in UTF-8 ({error})") from error
    return rows


def _person(path: Path, rows: dict[str, list[tuple[PurePath, str]]], persons: Path) -> str:
    candidates = rows.get(path.name)
    if candidates is None:
        return path.stem
    whole = path.absolute()
    most = max(_alike(whole, row) for row, _ in candidates)
    people = {person for row, person in candidates if _alike(whole, row) == most}
    if len(people) > 1:
        raise FaceFilesError(
            f"{persons}: {path} matches rows of several persons ({', '.join(sorted(people))})"
        )
    return people.pop()


def _alike(first: PurePath, second: PurePath) -> int:
    """Counts the path components in which the ends of two paths agree."""
    pairs = zip(reversed(first.parts), reversed(second.parts), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
