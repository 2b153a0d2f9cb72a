"""The shipped converted networks agree with MediaPipe's own results on the bundled clip.

Expected values were recorded once: by the TFLite runtime with
face_detection_full_range_sparse.tflite, and by FaceMesh (mediapipe 0.10.14, static image, refined),
on the clip's first frame.
"""

from pathlib import Path

import av
import numpy as np
import onnx
import onnxruntime
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

from motioncast.export.exporter import fingerprint
from motioncast.export.finder import finder_exportable, finder_specification
from motioncast.export.parity import compare
from motioncast.export.sampling import draw_inputs
from motioncast.export.triton import print_config, print_gpu_config
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.face.keypoints import MESH
from motioncast.models.mediapipe.finder import FaceFinder
from motioncast.models.mediapipe.weights import load_weights

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "model_repository" / "face_finder"
CHECKPOINT = ROOT / "training" / "checkpoints" / "face_finder.pt"
CLIP = ROOT / "clients" / "motioncast" / "cli" / "assets" / "grid_sbwu5s.mp4"
# The most confident anchor, row 27, column 20 of 48: logit, and offsets in pixels of 192.
LOGIT, ANCHOR = 2.1240852, (20.5 / 48, 27.5 / 48)
BOX = (-0.366970, -0.441230, 112.278046, 112.333122, -21.268507, -18.376795, 22.781143, -18.695909)
POINTS = {  # x, y from 0 to 1: corners of mouth and eyes, lips, pupils, nose, forehead, chin, sides
    61: (0.3447, 0.7269),
    291: (0.5140, 0.7231),
    13: (0.4320, 0.7269),
    14: (0.4319, 0.7270),
    33: (0.2742, 0.4690),
    263: (0.5642, 0.4645),
    468: (0.3162, 0.4657),
    473: (0.5229, 0.4641),
    4: (0.4382, 0.6025),
    10: (0.4248, 0.2868),
    152: (0.4307, 0.8651),
    234: (0.1794, 0.5372),
    454: (0.6325, 0.5293),
}


@pytest.fixture(scope="module")
def frame() -> NDArray[np.uint8]:
    with av.open(str(CLIP)) as video:
        image = next(video.decode(video=0)).to_ndarray(format="rgb24")
    return image.astype(np.uint8)


def test_the_shipped_finder_says_what_mediapipes_does(frame: NDArray[np.uint8]) -> None:
    image = PIL.Image.fromarray(frame).resize((192, 192), PIL.Image.Resampling.BILINEAR)
    session = onnxruntime.InferenceSession(
        SHIPPED / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )

    (faces,) = session.run(["faces"], {"image": np.asarray(image)[None]})

    score, places = 1 / (1 + np.exp(-LOGIT)), np.array(BOX) / 192
    places[[0, 1, 4, 5, 6, 7]] += np.tile(ANCHOR, 3)
    assert faces[0, 0] == pytest.approx([score, *places], abs=2e-3)
    assert (np.diff(faces[0, :, 0]) <= 0).all()


def test_the_anchored_keypoints_are_where_mediapipe_sees_them(frame: NDArray[np.uint8]) -> None:
    detector = load_motion_transfer(ROOT / "training" / "checkpoints" / "face256_synthesis.pt")
    large = PIL.Image.fromarray(frame).resize((256, 256), PIL.Image.Resampling.BICUBIC)
    image = torch.from_numpy(np.array(large)).permute(2, 0, 1)[None].float() / 255

    with torch.inference_mode():
        keypoints = detector.detector(image)[0, : len(MESH)].numpy()

    found = ((keypoints[:, :2] + 1) / 2 * 255 + 0.5) / 256
    places = {point: place for point, place in zip(MESH, found, strict=True) if point in POINTS}
    eyes = np.hypot(*np.subtract(POINTS[33], POINTS[263]))
    off = [np.hypot(*(places[point] - POINTS[point])) / eyes for point in places]
    assert len(off) == 13
    assert np.mean(off) < 0.015  # relative to the distance between the eyes
    assert max(off) < 0.04
    assert (keypoints[:, 2] > 0.99).all()


def test_where_there_is_no_face_its_presence_is_small() -> None:
    detector = load_motion_transfer(ROOT / "training" / "checkpoints" / "face256_synthesis.pt")
    ramp = torch.linspace(0, 1, 256).expand(1, 3, 256, 256)
    with torch.inference_mode():
        keypoints = detector.detector(ramp)[0, : len(MESH)]
    assert (keypoints[:, 2] < 0.1).all()
    assert keypoints.isfinite().all()


def test_the_shipped_finder_is_what_an_export_would_write() -> None:
    finder, specification = FaceFinder(), finder_specification()
    load_weights(finder, CHECKPOINT)
    model = onnx.load(SHIPPED / "1" / "model.onnx")

    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["checkpoint_sha256"] == fingerprint(CHECKPOINT)
    compare(
        model,
        finder_exportable(finder).reference,
        specification,
        lambda case: draw_inputs(specification, case),
    )
    assert (SHIPPED / "config.pbtxt").read_text() == print_config(specification)
    assert specification.gpu is not None
    gpu_config = (SHIPPED / "configs" / "gpu.pbtxt").read_text()
    assert gpu_config == print_gpu_config(specification, specification.gpu)
