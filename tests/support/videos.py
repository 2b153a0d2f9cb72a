"""Small videos for tests, encoded losslessly."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


def gradient_frames(count: int, height: int, width: int) -> Frames:
    """Returns frames with a horizontal ramp, each a little brighter than the last."""
    ramp = np.linspace(20, 180, width).astype(np.uint8)
    return np.stack(
        [np.broadcast_to(ramp[None, :, None] + 4 * t, (height, width, 3)) for t in range(count)]
    ).astype(np.uint8)


def write_video(path: Path, frames: Frames) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def write_png(path: Path, image: Frames) -> None:
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
