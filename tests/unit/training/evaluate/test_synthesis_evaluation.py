"""Reconstruction quality of clips by pattern, for checkpoints and for a repository's models."""

import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from support.random_networks import random_motion_transfer, random_vrnn
from support.toy_models import image_with_points, keypoints_of_points, toy_frame, toy_path

from motioncast.evaluate.contact_sheet import as_small_png, contact_sheet, telling_frames
from motioncast.evaluate.original import Original
from motioncast.evaluate.pipelines import CheckpointPipeline, RepositoryPipeline
from motioncast.evaluate.quality_metrics import METRICS
from motioncast.evaluate.reconstruction import ALL_SENT, ClipQuality, reconstruct, summaries
from motioncast.evaluate.synthesis import as_page
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import LITE64
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.gap_filling import pattern as mask_of
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.quality.pixels import ROUNDING_PSNR_DB, planes, psnr, ssim
from motioncast.timeline.pattern import Pattern

Frames = npt.NDArray[np.uint8]
POINTS = [((3 + t, 12 - t // 2), (4, 11)) for t in range(8)]  # red moves, green rests


@pytest.fixture
def toy(toy_repository: Path) -> Iterator[RepositoryPipeline]:
    with RepositoryPipeline(toy_repository, threads=1) as pipeline:
        yield pipeline


@pytest.fixture
def original() -> Original:
    return Original("points", np.stack([image_with_points(*points) for points in POINTS]))


def test_models_of_a_repository_detect_forecast_and_draw_as_mathematics_says(
    toy: RepositoryPipeline, original: Original
) -> None:
    keypoints = np.stack([keypoints_of_points(*points) for points in POINTS])
    observed = mask_of(5, 5, len(POINTS))
    expected = toy_path(keypoints, observed.numpy())

    found = toy.detect(original.clip)
    filled = toy.fill(found, observed)
    drawn = toy.draw(original.clip[0], found[0], filled)

    assert (toy.name, toy.size) == ("toy", 16)
    np.testing.assert_allclose(found, keypoints, atol=1e-6)
    np.testing.assert_allclose(filled, expected, atol=1e-5)
    np.testing.assert_array_equal(drawn, [toy_frame(each) for each in filled.numpy()])


def test_a_forecast_reads_nothing_of_the_frames_that_were_not_sent(
    toy: RepositoryPipeline, original: Original
) -> None:
    observed = mask_of(3, 5, len(POINTS))
    keypoints = toy.detect(original.clip)
    spoilt = torch.where(observed[:, None, None], keypoints, torch.nan)
    torch.testing.assert_close(toy.fill(spoilt, observed), toy.fill(keypoints, observed))


def test_every_figure_is_that_of_the_frames_that_come_back(
    toy: RepositoryPipeline, original: Original
) -> None:
    quality, output = reconstruct(toy, original, [Pattern(2, 2)])[Pattern(2, 2)]

    keypoints = toy.detect(original.clip)
    observed = mask_of(2, 2, len(POINTS))
    wanted = toy.draw(original.clip[0], keypoints[0], toy.fill(keypoints, observed))
    np.testing.assert_array_equal(output, wanted)
    made, true = planes(output)[1:], original.frames[1:]
    assert quality.frames == 7
    assert quality.figures["psnr_db"] == pytest.approx(float(psnr(made, true).mean()))
    assert quality.figures["ssim"] == pytest.approx(float(ssim(made, true).mean()))
    predicted = psnr(made, true)[~observed[1:].numpy()]
    assert quality.figures["predicted_psnr_db"] == pytest.approx(float(predicted.mean()))
    copied = np.broadcast_to(original.frames[:1], true.shape)
    assert quality.figures["copy_psnr_db"] == pytest.approx(float(psnr(copied, true).mean()))
    assert quality.figures["original_flicker_levels"] == 0.0  # still pixels are black


class Unregistered(CheckpointPipeline):
    """Networks that do not register keypoints."""

    def register(
        self, source: Frames, source_keypoints: torch.Tensor, frames: Frames, found: torch.Tensor
    ) -> torch.Tensor:
        return found


def test_a_network_that_gives_the_original_moves_as_it_does(original: Original) -> None:
    class Perfect(Unregistered):
        def __init__(self) -> None:
            self.name, self.size, self.files, self.forecasts = "perfect", 16, (), False
            self.source_weights, self.anchored_keypoints = (1.0,) * 80, 70

        def detect(self, frames: Frames) -> torch.Tensor:
            """Moves every keypoint with the brightest pixels, each in a different direction."""
            keypoints = torch.zeros(len(frames), 80, 3)
            rows = torch.from_numpy(frames.astype(np.float32)).sum(dim=(2, 3))  # (T, S)
            where = (rows * torch.arange(16)).sum(dim=1) / rows.sum(dim=1)
            keypoints[..., :2] = torch.linspace(-0.05, 0.05, 160).reshape(80, 2)
            keypoints[..., 1] *= 1 + where[:, None] / 16
            return keypoints

        def draw(
            self, source: Frames, source_keypoints: torch.Tensor, driving: torch.Tensor
        ) -> Frames:
            return original.clip

    quality, _ = reconstruct(Perfect(), original)[ALL_SENT]

    assert quality.figures["temporal_error"] == 0
    for what in ("motion", "mouth", "lids"):
        assert quality.figures[f"{what}_correlation"] == pytest.approx(1)
        assert quality.figures[f"{what}_amplitude"] == pytest.approx(1)


def test_a_network_that_never_moves_is_as_good_as_the_copied_source(original: Original) -> None:
    class Copying(Unregistered):
        def __init__(self) -> None:
            self.name, self.size, self.files, self.forecasts = "copy", 16, (), False
            self.source_weights, self.anchored_keypoints = (), 0

        def detect(self, frames: Frames) -> torch.Tensor:
            return torch.zeros(len(frames), 2, 3)

        def draw(
            self, source: Frames, source_keypoints: torch.Tensor, driving: torch.Tensor
        ) -> Frames:
            return np.stack([source] * len(driving))

    quality, _ = reconstruct(Copying(), original)[ALL_SENT]

    assert quality.figures["psnr_db"] == pytest.approx(quality.figures["copy_psnr_db"])
    assert quality.figures["mouth_psnr_db"] == pytest.approx(quality.figures["copy_mouth_psnr_db"])
    assert quality.figures["flicker_levels"] == 0.0
    assert math.isnan(quality.figures["predicted_psnr_db"])
    assert quality.figures["temporal_error"] == pytest.approx(1)


def test_checkpoints_forecast_with_their_predictor_only(tmp_path: Path) -> None:
    save_motion_transfer(random_motion_transfer(LITE64), tmp_path / "mine.pt")
    save_predictor(random_vrnn(PredictorSizes(keypoints=10)), tmp_path / "vrnn.pt")
    clip = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    original = Original("noise", clip)

    alone = CheckpointPipeline(tmp_path / "mine.pt")
    both = CheckpointPipeline(tmp_path / "mine.pt", tmp_path / "vrnn.pt")

    assert (alone.name, alone.size, alone.forecasts) == ("mine", 64, False)
    with pytest.raises(ValueError, match="mine has no predictor"):
        reconstruct(alone, original, [Pattern(1, 1)])
    results = reconstruct(both, original, [ALL_SENT, Pattern(1, 1)])
    sent, gaps = results[ALL_SENT][1], results[Pattern(1, 1)][1]
    np.testing.assert_array_equal(sent[::2], gaps[::2])  # sent in both
    assert (sent[1::2] != gaps[1::2]).any()


def test_the_summary_weighs_clips_alike_and_compares_with_the_first_networks() -> None:
    def clip(networks: str, pattern: str, name: str, psnr_db: float) -> ClipQuality:
        figures = dict.fromkeys((one.name for one in METRICS if one.of_clip), 0.5) | {
            "psnr_db": psnr_db,
            "copy_psnr_db": 20.0,
            "predicted_psnr_db": math.nan,
            "flicker_levels": math.nan if name == "b" else 0.5,
            "original_flicker_levels": math.nan if name == "b" else 1.0,
        }
        return ClipQuality(networks, pattern, name, 10 if name == "a" else 90, figures)

    rows = summaries(
        [
            clip("first", "1:0", "a", 30.0),
            clip("first", "1:0", "b", 40.0),
            clip("first", "1:1", "a", 28.0),
            clip("first", "1:1", "b", 40.0),
            clip("second", "1:0", "a", 29.0),
            clip("second", "1:0", "b", 40.0),
        ]
    )

    assert [(row.networks, row.pattern, row.clips) for row in rows] == [
        ("first", "1:0", 2),
        ("first", "1:1", 2),
        ("second", "1:0", 2),
    ]
    assert [row.figures["psnr_db"] for row in rows] == [35.0, 34.0, 34.5]
    assert [row.figures["gain_db"] for row in rows] == [15.0, 14.0, 14.5]
    assert [row.figures["forecast_cost_db"] for row in rows] == [0.0, 1.0, 0.0]
    assert [row.figures["cost_db"] for row in rows] == [0.0, 0.0, 0.5]
    assert [row.figures["flicker_ratio"] for row in rows] == [0.5, 0.5, 0.5]


def test_an_entry_of_the_table_of_metrics_is_measured_summed_up_and_shown() -> None:
    assert all((one.of_clip is None) != (one.of_means is None) for one in METRICS)
    assert len({one.name for one in METRICS}) == len(METRICS)
    figures = {one.name: 0.25 for one in METRICS if one.of_clip}
    (row,) = summaries([ClipQuality("mine", "1:0", "a", 9, figures)])
    page = as_page([row], "clips", "command")
    assert list(row.figures) == [one.name for one in METRICS]
    headings = [line for line in page.splitlines() if line.startswith("| networks")]
    shown = [cell for line in headings for cell in line.strip("| ").split(" | ")[2:]]
    assert shown == [one.heading for one in METRICS if one.heading and not one.compares]


def test_a_clip_of_one_frame_has_nothing_to_reconstruct() -> None:
    with pytest.raises(ValueError, match=r"still\.mp4 has one frame"):
        Original("still.mp4", np.zeros((1, 16, 16, 3), np.uint8))


def test_pictures_are_measured_at_the_side_that_is_asked_for() -> None:
    clip = np.random.default_rng(0).integers(10, 240, (3, 32, 32, 3), dtype=np.uint8)
    board = np.where(np.indices((32, 32)).sum(0) % 2, 4, -4)[..., None]  # averages to zero
    output = (clip + board).astype(np.uint8)
    whole, halved = Original("noise", clip), Original("noise", clip, side=16)

    psnr_db = whole.judge(whole.planes(output), range(3)).psnr_db
    np.testing.assert_allclose(psnr_db, 20 * math.log10(255 / 4), rtol=1e-6)
    np.testing.assert_allclose(
        halved.judge(halved.planes(output), range(3)).psnr_db, ROUNDING_PSNR_DB
    )
    with pytest.raises(ValueError, match="--measure-at: 12 is not a divisor of 32"):
        Original("noise", clip, side=12)


def test_the_telling_frames_are_those_at_which_the_mouth_moves_most_far_enough_apart() -> None:
    clip = np.zeros((20, 40, 40, 3), np.uint8)
    for frame, level in ((4, 200), (5, 20), (12, 150), (17, 60)):
        clip[frame:, 26:30, 12:20] = level
    assert telling_frames(Original("mouth", clip), 3) == [4, 12, 17]  # 5 is next to 4


def test_a_contact_sheet_shows_the_frames_themselves() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    output = 255 - clip
    sheet = np.asarray(contact_sheet(Original("noise", clip), output, [2, 5]))

    def shown(image: Frames) -> bool:
        height, width = image.shape[:2]
        windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], (height, width))
        return bool((windows == image[..., 0]).all(axis=(2, 3)).any())

    assert all(map(shown, (clip[0], clip[2], clip[5], output[2], output[5])))
    assert not shown(clip[3])


@pytest.mark.parametrize("deviation", [0, 40])
def test_a_picture_is_kept_small_and_close_to_what_it_was(deviation: int) -> None:
    noise = np.random.default_rng(0).normal(128, deviation, (400, 350, 3))
    image = noise.clip(0, 255).astype(np.uint8)
    encoded = as_small_png(Image.fromarray(image))
    assert len(encoded) < 300_000
    with Image.open(io.BytesIO(encoded)) as shown:
        error = np.abs(np.asarray(shown).astype(int) - image).max()
    assert error <= (2 if deviation == 0 else 255 / 15 / 2 + 1)
