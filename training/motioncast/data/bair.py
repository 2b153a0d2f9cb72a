"""BAIR robot pushing as published: TFRecords of 30 raw 64x64 frames from two cameras.

softmotion30_44k/{train,test}/*.tfrecords, features `<i>/image_main/encoded` and
`<i>/image_aux1/encoded`, i = 0..29; actions and end effector positions are not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from motioncast.data.folder import data_files
from motioncast.data.tfrecord import Record, byte_features, read_records
from motioncast.data.video_folder import Clip, DamagedVideoError, scaled

RECORD_SUFFIXES: Final = frozenset({".tfrecord", ".tfrecords"})
FRAMES: Final = 30
SIDE: Final = 64
FRAME_BYTES: Final = SIDE * SIDE * 3

Camera = Literal["main", "aux1"]


@dataclass(frozen=True, slots=True)
class BairFolder:
    """The TFRecords directly below `root`, or those listed in `names`."""

    root: Path
    names: Path | None = None
    camera: Camera = "main"

    @property
    def options(self) -> str:
        """The settings, besides the files, that determine what is read."""
        return f"bair:{self.camera}"

    def paths(self) -> list[Path]:
        """Lists the files; raises FileNotFoundError when the folder has none."""
        return data_files(self.root, RECORD_SUFFIXES, self.names)

    def read(self, path: Path, size: int) -> Iterator[tuple[str, Clip]]:
        """Yields "<file>#<record>" and the frames (30, size, size, 3), record by record.

        Raises DamagedVideoError at the first damaged record, or when the file holds none.
        """
        empty = True
        for record in read_records(path):
            yield f"{path.name}#{record.index}", scaled(record_frames(record, self.camera), size)
            empty = False
        if empty:
            raise DamagedVideoError(f"{path}: contains no records")


def record_frames(record: Record, camera: Camera) -> Clip:
    """Returns the frames (30, 64, 64, 3) recorded by one camera.

    Raises DamagedVideoError when a frame is missing or does not have 64 x 64 x 3 bytes.
    """
    features = byte_features(record)
    frames = []
    for index in range(FRAMES):
        name = f"{index}/image_{camera}/encoded"
        images = features.get(name, [])
        if len(images) != 1:
            raise record.damaged(f"{len(images) or 'no'} images in {name}, expected one")
        if len(images[0]) != FRAME_BYTES:
            raise record.damaged(f"{name} has {len(images[0])} bytes, expected {FRAME_BYTES}")
        frames.append(images[0])
    pixels = np.frombuffer(b"".join(frames), dtype=np.uint8)
    return pixels.reshape(FRAMES, SIDE, SIDE, 3)
