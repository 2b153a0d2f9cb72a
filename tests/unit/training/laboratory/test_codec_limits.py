"""What coding blocks of frames together, or choosing integers, would save."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.codec_tables import plain_tables

from motioncast.codec.lattice import Lattice, from_lattice, to_lattice
from motioncast.codec.range_coder import RangeEncoder
from motioncast.codec.residual import write_golomb
from motioncast.codec.transform import quantise, reconstruct
from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.laboratory.codec_limits import (
    BlockCodec,
    Statistics,
    bits_of_a_frame,
    directions_over_time,
    fit_statistics,
    fitted,
    main,
)

KEYPOINTS = 4
TABLES = plain_tables(KEYPOINTS)


def walks(count: int, frames: int = 65, seed: int = 0) -> list[Lattice]:
    """Returns clips of keypoints that swing slowly and jitter."""
    random, t = np.random.default_rng(seed), np.arange(frames)[:, None, None]
    clips = []
    for _ in range(count):
        phase, speed = random.uniform(0, 6, (1, KEYPOINTS, 3)), random.uniform(0.1, 0.3)
        clip = 0.1 * np.sin(speed * t + phase) + random.normal(0, 0.002, (frames, KEYPOINTS, 3))
        clip[..., 2] = 0.5
        clips.append(to_lattice(clip.astype(np.float32)))
    return clips


def test_single_frames_are_coded_like_those_of_the_shipped_codec() -> None:
    [clip] = walks(1)
    coded = BlockCodec(TABLES, np.eye(1)).code([clip])
    points, found, off = clip[0], [], []
    for frame in clip[1:]:
        quantised = quantise(TABLES, frame - points, TABLES.steps)
        points = reconstruct(TABLES, points, quantised, TABLES.steps)
        found.append(np.abs(quantised))
        off.append((from_lattice(points) - from_lattice(frame))[:, :2])
    np.testing.assert_array_equal(coded.magnitudes, found)
    assert coded.error == pytest.approx(np.linalg.norm(off, axis=-1).mean() * 127.5)


def test_bits_are_the_entropy_of_what_is_coded() -> None:
    random = np.random.default_rng(0)
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    magnitudes = random.choice(4, p=shares, size=(4000, 30))
    statistics = fit_statistics(magnitudes)
    bits = statistics.of_scales(magnitudes).min(axis=1).mean() / 30
    entropy = 1.75 + 0.5  # and a sign, where it is not 0
    assert bits == pytest.approx(entropy, rel=0.03)
    assert bits > entropy


def test_escapes_cost_what_the_bitstream_takes_for_them() -> None:
    cheap = Statistics(np.zeros(1, np.int64), np.zeros((64, 16)), np.zeros(16))
    for beyond in (0, 1, 6, 7, 100):
        coder = RangeEncoder()
        write_golomb(coder, beyond)
        assert cheap.of_scales(np.array([15 + beyond])).min() == coder.information_bits


def test_a_block_of_slow_motion_takes_fewer_bits_at_the_same_error() -> None:
    training, validation, test = walks(6), walks(3, seed=1), walks(3, seed=2)

    def measured(frames: int, multiplier: float = 0.0) -> tuple[float, float]:
        over_time = directions_over_time(TABLES, training, frames)
        np.testing.assert_allclose(over_time @ over_time.T, np.eye(frames), atol=1e-9)
        codec = BlockCodec(TABLES, over_time, multiplier=multiplier)
        return bits_of_a_frame(fitted(codec, training, validation, 0.25), test)

    bits, errors = zip(measured(1), measured(8), measured(8, 0.12), strict=True)
    assert bits[1] < 0.9 * bits[0]
    assert bits[2] < bits[1]
    assert errors == pytest.approx((0.25,) * 3, rel=0.1)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((9, 2, 3), "tracks: 2 keypoints, the tables have 80"),
        ((9, 80, 3), "needs clips to fit and clips to validate on"),
    ],
)
def test_tracks_that_do_not_fit_are_refused(
    shape: tuple[int, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tracks(Tracks(("a",), (0, 9), torch.zeros(shape), (False,)), tmp_path / "a.npz")
    with pytest.raises(SystemExit) as stopped:
        main(["--tracks", str(tmp_path / "a.npz"), "--test", str(tmp_path / "a.npz")])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
