"""FVD with a network of I3D's signature and features linear in the pixels."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from motioncast.paper.metrics.fvd import FvdError, fvd

Videos = npt.NDArray[np.uint8]


class MeanPixel(nn.Module):
    """Feature i is (i + 1) times the mean pixel: in [-1, 1] when rescaled, as in I3D."""

    factors: Tensor

    def __init__(self, features: int = 400) -> None:
        super().__init__()
        self.register_buffer("factors", torch.arange(1.0, features + 1))

    def forward(
        self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> Tensor:
        assert resize
        assert return_features
        assert x.shape[1] == 3
        if rescale:
            x = x / 255 * 2 - 1
        return x.mean(dim=(1, 2, 3, 4))[:, None] * self.factors


class NoKeywords(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def saved(network: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(str(path))  # type: ignore[no-untyped-call]
    return path


def clips(levels: list[int], frames: int = 10) -> Videos:
    """Returns clips of uniform grey levels."""
    grey = np.array(levels, dtype=np.uint8).reshape(-1, 1, 1, 1, 1)
    return np.broadcast_to(grey, (len(levels), frames, 8, 8, 3))


def test_fvd_of_linear_features_is_the_distance_of_the_levels(tmp_path: Path) -> None:
    network = saved(MeanPixel(), tmp_path / "i3d_torchscript.pt")
    real, generated = [0, 51, 102], [51, 153, 255]
    # All features follow one number u, the mean pixel: d^2 = |factors|^2 ((du)^2 + (d sigma)^2).
    u, v = (np.array(levels) / 255 * 2 - 1 for levels in (real, generated))
    apart = (u.mean() - v.mean()) ** 2 + (u.std(ddof=1) - v.std(ddof=1)) ** 2
    expected = np.square(np.arange(1, 401)).sum() * apart

    result = fvd(clips(real), clips(generated), network)

    assert result.value == pytest.approx(expected, rel=1e-5)
    assert result.reason is None
    assert result.clips == (3, 3)


def test_fvd_of_few_clips_carries_a_warning(tmp_path: Path) -> None:
    network = saved(MeanPixel(), tmp_path / "i3d.pt")
    few = fvd(clips([1, 2]), clips([1, 2]), network)
    many = fvd(clips([1] * 256, 10), clips([1] * 256, 10), network)
    assert few.warning is not None
    assert "2 clips" in few.warning
    assert many.warning is None
    assert many.value == pytest.approx(0, abs=1e-9)


def test_without_a_network_nothing_is_called_fvd() -> None:
    result = fvd(clips([1, 2]), clips([1, 2]), None)
    assert result.value is None
    assert result.reason == "FVD not reported: no I3D network was named"


def test_a_missing_file_means_no_fvd_and_says_which(tmp_path: Path) -> None:
    result = fvd(clips([1, 2]), clips([1, 2]), tmp_path / "i3d.pt")
    assert result.value is None
    assert result.reason == f"FVD not reported: {tmp_path / 'i3d.pt'} does not exist"


def test_clips_too_short_for_the_network_mean_no_fvd(tmp_path: Path) -> None:
    network = saved(MeanPixel(), tmp_path / "i3d.pt")
    result = fvd(clips([1, 2], frames=9), clips([1, 2], frames=9), network)
    assert result.value is None
    assert result.reason == "FVD not reported: clips have 9 frames, and I3D needs at least 10"


def test_one_clip_means_no_fvd(tmp_path: Path) -> None:
    network = saved(MeanPixel(), tmp_path / "i3d.pt")
    result = fvd(clips([1]), clips([1, 2]), network)
    assert result.value is None
    assert result.reason == "FVD not reported: fewer than two clips"


def test_a_file_that_is_no_torchscript_is_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "i3d.pt"
    text.write_text("not a network")
    weights = tmp_path / "weights.pt"
    torch.save(MeanPixel().state_dict(), weights)
    for path in (text, weights):
        with pytest.raises(FvdError, match=rf"{path.name}: cannot be read as TorchScript"):
            fvd(clips([1, 2]), clips([1, 2]), path)


def test_a_network_with_another_number_of_features_is_refused(tmp_path: Path) -> None:
    network = saved(MeanPixel(features=1024), tmp_path / "other.pt")
    with pytest.raises(FvdError, match=r"other.pt: returns \(1, 1024\) \(expected \(1, 400\)\)"):
        fvd(clips([1, 2]), clips([1, 2]), network)


def test_a_network_of_another_signature_is_refused(tmp_path: Path) -> None:
    network = saved(NoKeywords(), tmp_path / "other.pt")
    with pytest.raises(FvdError, match=r"other.pt: does not run as an I3D network"):
        fvd(clips([1, 2]), clips([1, 2]), network)


def test_videos_that_are_no_bytes_are_refused(tmp_path: Path) -> None:
    network = saved(MeanPixel(), tmp_path / "i3d.pt")
    with pytest.raises(ValueError, match=r"expected \(T, S, S, 3\) and uint8"):
        fvd(clips([1, 2]) / 255, clips([1, 2]), network)  # type: ignore[arg-type]


def test_clips_of_different_lengths_do_not_compare(tmp_path: Path) -> None:
    network = saved(MeanPixel(), tmp_path / "i3d.pt")
    with pytest.raises(ValueError, match="10 and 12 frames"):
        fvd(clips([1, 2]), clips([1, 2], frames=12), network)
