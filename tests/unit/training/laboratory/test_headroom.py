"""The quality that could be gained over a detector's keypoints."""

from pathlib import Path

import numpy as np
import pytest
from support.videos import gradient_frames

from motioncast.laboratory.headroom import headroom, main
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.shipped import shipped_checkpoint


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    frames = gradient_frames(5, 128, 128)
    for t, frame in enumerate(frames):
        frame[40 + 3 * t : 80 + 3 * t, 50:90] = 230
    return frames


def test_fitted_keypoints_are_never_worse_and_one_step_is_none(clip: np.ndarray) -> None:
    model = load_motion_transfer(shipped_checkpoint("synthesis", "lite128"))

    start = headroom(model, "a", clip, frames=2, steps=1, rate=0.01)
    fitted = headroom(model, "a", clip, frames=2, steps=12, rate=0.01)

    # The first step's image uses the detected keypoints.
    assert start.fitted == pytest.approx(start.detected)
    assert start.moved == 0
    assert fitted.detected == pytest.approx(start.detected)
    assert fitted.fitted > fitted.detected + 0.05
    assert fitted.moved > 0
    difference = clip[[2, 4]].astype(float) / 255 - clip[:1].astype(float) / 255
    copied = -10 * np.log10(np.square(difference).mean(axis=(1, 2, 3))).mean()
    assert fitted.copied == pytest.approx(copied, abs=1e-3)


@pytest.mark.parametrize(
    ("further", "sentence"),
    [
        (["--checkpoint", "absent.pt"], "absent.pt: no such checkpoint"),
        (
            ["--checkpoint", str(shipped_checkpoint("synthesis", "lite128"))],
            "absent is not a folder",
        ),
        (["--checkpoint", "x", "--steps", "0"], "Invalid value for '--steps'"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    further: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path / "absent"), *further])
    assert sentence in capsys.readouterr().err
