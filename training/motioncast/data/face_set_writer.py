"""Writes a face set (`data.faces`), clip by clip; the folder appears once it is complete.

    with FaceSetWriter(folder, side) as writer:
        writer.write("clip", "person", batches)

Frames are written to disk as they arrive, so a set may be larger than memory.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from motioncast.data.faces import FaceSetError
from motioncast.data.found_faces import FoundFaces
from motioncast.media.unfinished import unfinished_folder

LEAST_FRAMES: Final = 2  # of a clip: a sample is a pair
LEAST_SHARE: Final = 0.8  # of a video's frames that must show a face


class Written(NamedTuple):
    """How much of a clip is in the set: all frames with a face, or none."""

    frames: int
    faces: int  # frames that show a face
    seen: int  # frames examined


class FaceSetWriter:
    """A face set being written; leaving its `with` block publishes it.

    Args:
        out: The folder; its parent is created.
        side: S of the frames.
        force: Replaces an existing set.
        mattes: Also writes mattes, mattes.npy (N, S / 2, S / 2) uint8.

    Raises:
        FaceSetError: The folder exists and is not to be replaced; or, at the end, the set has no
            clip.
    """

    def __init__(self, out: Path, side: int, force: bool = False, mattes: bool = False) -> None:
        if out.exists() and not (force and (out / "clips.json").is_file()):
            what = (
                "is not a face set, so --force does not replace it"
                if force
                else "already exists (--force replaces it)"
            )
            raise FaceSetError(f"{out}: {what}")
        self._out = out.absolute()
        self._open = ExitStack()
        self._out.parent.mkdir(parents=True, exist_ok=True)
        aside = unfinished_folder(self._out.parent, f".{out.name}-")
        self._folder = self._open.enter_context(aside)
        self._frames = self._array("frames.npy", side, side, 3)
        self._mattes = self._array("mattes.npy", side // 2, side // 2) if mattes else None
        self._points: list[npt.NDArray[np.float32]] = []
        self.clips: list[dict[str, str | int]] = []  # in the format of clips.json

    def write(
        self, name: str, person: str, batches: Iterable[FoundFaces], least_share: float = 0.0
    ) -> Written:
        """Adds a clip's frames with a face, or none if they are fewer than two or below that share.
        A clip that cannot be read to its end leaves nothing behind."""
        start, parts, seen = self._frames.rows, len(self._points), 0
        try:
            for batch in batches:
                seen += len(batch.present)
                self._frames.append(batch.frames[batch.present])
                if self._mattes is not None:
                    assert batch.mattes is not None
                    self._mattes.append(batch.mattes[batch.present])
                self._points.append(batch.points[batch.present])
        except BaseException:
            self._cut(start, parts)
            raise
        faces = self._frames.rows - start
        if faces < max(LEAST_FRAMES, least_share * seen):
            self._cut(start, parts)
            return Written(0, faces, seen)
        self.clips.append({"name": name, "person": person, "start": start, "stop": start + faces})
        return Written(faces, faces, seen)

    def __enter__(self) -> "FaceSetWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            if error is None:
                self._publish()

    def _publish(self) -> None:
        if not self.clips:
            raise FaceSetError(f"{self._out}: was not written, as no clip shows a face")
        self._frames.finish()
        if self._mattes is not None:
            self._mattes.finish()
        np.save(self._folder / "points.npy", np.concatenate(self._points))
        text = ",\n ".join(json.dumps(clip) for clip in self.clips)
        (self._folder / "clips.json").write_text(f"[{text}]\n", encoding="utf-8")
        self._folder.chmod(0o755)  # until now it was private to its owner
        if self._out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{self._out.name}-", dir=self._out.parent))
            os.replace(self._out, old)
            os.replace(self._folder, self._out)
            shutil.rmtree(old)
        else:
            os.replace(self._folder, self._out)

    def _array(self, name: str, *shape: int) -> "_GrowingArray":
        file = self._open.enter_context((self._folder / name).open("wb"))
        return _GrowingArray(file, shape)

    def _cut(self, rows: int, parts: int) -> None:
        self._frames.cut(rows)
        if self._mattes is not None:
            self._mattes.cut(rows)
        del self._points[parts:]


class _GrowingArray:
    """A .npy file of bytes (rows, *shape) that can grow, and be truncated, at its end."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...]) -> None:
        self.rows = 0
        self._file, self._shape = file, shape
        self._header()
        self._start = file.tell()

    def append(self, rows: npt.NDArray[np.uint8]) -> None:
        """Appends rows (N, *shape)."""
        assert rows.shape[1:] == self._shape
        self._file.write(rows.tobytes())
        self.rows += len(rows)

    def cut(self, rows: int) -> None:
        """Drops all rows from the given number on."""
        self.rows = rows
        self._file.seek(self._start + rows * int(np.prod(self._shape)))
        self._file.truncate()

    def finish(self) -> None:
        """Writes the number of rows to the beginning of the file."""
        self._header()
        self._file.close()

    def _header(self) -> None:
        self._file.seek(0)
        # numpy reserves space for any length of the first axis, so the header never grows.
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)
