"""Defines every table of figures in the documents: its rows and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from figures.drawing import Column, Drawing, Row, forecasts, quality, records
from figures.operations import OPERATIONS
from figures.rates import RATES
from figures.sending import losses, sent

GAIN, GAIN_SSIM = "{:+.2f}", "{:+.3f}"
PSNR = Column("PSNR dB", "psnr_db")
PSNR_GAIN = Column("gain", "gain_db", GAIN)
SSIM = (Column("SSIM", "ssim", "{:.3f}"), Column("gain", "ssim_gain", GAIN_SSIM))
MOUTH = (Column("mouth PSNR dB", "mouth_psnr_db"), Column("gain", "mouth_gain_db", GAIN))
COST = Column("cost of forecasting, dB", "forecast_cost_db")

PEOPLE, STRANGERS, KNOWN, CLASSIC = (
    "{clips} of seven people never trained on, other cameras and rooms",
    "{clips} of nine GRID speakers never trained on",
    "{clips} of the speaker of most training clips",
    "akiyo, carphone, salesman whole",
)
ALL, EVERY_SECOND, FIVE = "every frame sent", "1:1", "5:5"
LEARNED = {
    "var": "VAR",
    "gru": "GRU",
    "vrnn": "VRNN",
    "simlpe": "siMLPe",
    "windowed": "**VRNN + siMLPe**",
}
OF_PEOPLE, OF_GRID = "forecast_face256_people_test", "forecast_face256_grid_test"
OF_KNOWN, OF_STRANGERS = "forecast_lite128_grid_test", "forecast_lite128_grid_unseen_speaker"
SPARSE = (1, 2, 4, 8, 12)


def _predictors(file: str, kinds: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(label, file, kind) for kind, label in kinds.items()]


def _patterns(names: str, file: str, networks: str) -> list[Row]:
    patterns = (("1:0", ALL, names), ("1:1", EVERY_SECOND, ""), ("5:5", FIVE, ""))
    return [Row((name, label), file, networks, pattern) for pattern, label, name in patterns]


def _case(policy: str, *, delay: int = 0, wait: int = 0, forecast: str = "hold") -> dict[str, Any]:
    named = {"policy": policy, "delay_frames": delay, "wait_frames": wait}
    return {**named, "forecast": forecast}


# Every table of figures by the name in its marker; add new tables here.
TABLES: Final[Mapping[str, Drawing]] = {
    "readme_face256": quality(
        ("clips", "models", "size"),
        (
            Row((PEOPLE, "face256", "256x256"), "quality_face256_people_test", "face256"),
            Row(("", "lite128", "128x128"), "quality_lite128_people_test", "lite128"),
            Row(
                (STRANGERS, "face256", "256x256"), "quality_face256_grid_unseen_speaker", "face256"
            ),
        ),
        (
            PSNR,
            PSNR_GAIN,
            Column("gain, mouth", "mouth_gain_db", GAIN),
            Column("sharpness", "face_sharpness"),
        ),
    ),
    "readme_lite128": quality(
        ("clips", "pattern, sent : forecast"),
        (
            *_patterns(KNOWN, "quality_lite128_grid_test", "lite128"),
            *_patterns(STRANGERS, "quality_lite128_grid_unseen_speaker", "lite128"),
        ),
        (PSNR, PSNR_GAIN, *SSIM),
    ),
    "readme_forecasts_face256": forecasts(
        _predictors(
            OF_PEOPLE, {"hold": "hold", "vrnn": "VRNN", "windowed": "VRNN + siMLPe (shipped)"}
        ),
        SPARSE,
    ),
    "readme_forecasts_lite128": forecasts(
        [
            ("known speaker: hold", OF_KNOWN, "hold"),
            ("damped hold, slope 0.7", OF_KNOWN, "damped"),
            ("vector autoregression", OF_KNOWN, "var"),
            ("GRU", OF_KNOWN, "gru"),
            ("VRNN (shipped)", OF_KNOWN, "vrnn"),
            ("other speakers: hold", OF_STRANGERS, "hold"),
            ("VRNN (shipped)", OF_STRANGERS, "vrnn"),
        ],
        SPARSE,
    ),
    "demo": records(
        "demo",
        (Column("", "name", "{}"),),
        (
            Column("bytes", "bytes", "{:,}"),
            Column("kbit/s", "kbit_per_second", "{:.3g}"),
            Column("PSNR dB", "psnr_db", "{:.2f}"),
        ),
    ),
    "bench_lite128": records(
        "bench_lite128",
        (Column("streams", "streams", "{}"),),
        (
            Column("whole gRPC path, frames/s", "frames_per_second", "{:.0f}"),
            Column("raw ONNX Runtime calls for the same frames", "raw_frames_per_second", "{:.0f}"),
            Column("ratio", "ratio", "{:.2f}"),
        ),
    ),
    "card_face256": quality(
        ("clips", "networks", "M:N"),
        (
            Row(("people/test, {clips}", "face256", ALL), "quality_face256_people_test", "face256"),
            Row(("", "", "1:1"), "quality_face256_people_test", "face256", "1:1"),
            Row(("", "", "5:5"), "quality_face256_people_test", "face256", "5:5"),
            Row(
                ("", "face256, measured at 128x128", ALL),
                "quality_face256_people_test_at_128",
                "face256",
            ),
            Row(
                ("", "face128, trained at 128x128", ALL),
                "quality_face128_people_test",
                "face128_synthesis",
            ),
            Row(
                ("", "lite128, framed too, at 128x128", ALL),
                "quality_lite128_people_test",
                "lite128",
            ),
            Row(
                ("nine GRID speakers, {clips} (`grid/unseen_speaker`)", "face256", ALL),
                "quality_face256_grid_unseen_speaker",
                "face256",
            ),
            Row(
                ("", "face256, measured at 128x128", ALL),
                "quality_face256_grid_unseen_speaker_at_128",
                "face256",
            ),
            Row(
                ("the speaker of GRID's training clips, {clips} of `grid/test`", "face256", ALL),
                "quality_face256_grid_test",
                "face256",
            ),
            Row(
                ("", "face256, measured at 128x128", ALL),
                "quality_face256_grid_test_at_128",
                "face256",
            ),
            Row((CLASSIC, "face256", ALL), "quality_face256_classic", "face256"),
        ),
        (PSNR, PSNR_GAIN, *SSIM, *MOUTH, COST),
    ),
    "card_lite128": quality(
        ("clips", "M:N"),
        (
            *_patterns(
                "the known speaker, {clips} (`grid/test`)", "quality_lite128_grid_test", "lite128"
            ),
            *_patterns(
                "nine other speakers, {clips} (`grid/unseen_speaker`)",
                "quality_lite128_grid_unseen_speaker",
                "lite128",
            ),
            Row(
                ("akiyo, carphone, salesman, looked at during development", ALL),
                "quality_lite128_classic",
                "lite128",
            ),
        ),
        (PSNR, PSNR_GAIN, *SSIM, *MOUTH, COST),
    ),
    "expression": records(
        "expression_people_test",
        (Column("", "networks", "{}"),),
        (
            Column("mouth, correlation", "mouth_correlation", "{:.2f}"),
            Column("amplitude", "mouth_amplitude", "{:.2f}"),
            Column("lids, correlation", "lids_correlation", "{:.2f}"),
            Column("amplitude", "lids_amplitude", "{:.2f}"),
        ),
    ),
    "pipelines_lite128": records(
        "pipelines_lite128",
        (
            Column("engine", "engine", "{}"),
            Column("streams", "streams", "{}"),
            Column("pipeline", "pipeline", "{}"),
        ),
        (
            Column("frames/s", "frames_per_second", "{:.1f}"),
            Column("group p50, ms", "group_p50_ms", "{}"),
            Column("p95", "group_p95_ms", "{}"),
            Column("first frame p50, ms", "first_p50_ms", "{}"),
            Column("p95", "first_p95_ms", "{}"),
        ),
    ),
    "models_lite128": records(
        "models_lite128",
        (Column("", "networks", "{}"), Column("frames a call", "frames_per_call", "{}")),
        (
            Column("detector", "detector_ms"),
            Column("synthesis", "synthesis_ms"),
            Column("both", "total_ms"),
            Column("times as fast", "times"),
        ),
    ),
    "speed_face256": records(
        "speed_face256",
        (
            Column("detector, registration and synthesis", "networks", "{}"),
            Column("frames a call", "frames_per_call", "{}"),
        ),
        (
            Column("ms a frame", "wall_ms", "{:.1f}"),
            Column("of it registration", "registration_wall_ms", "{:.1f}"),
            Column("CPU ms a frame, of both cores", "cpu_ms", "{:.1f}"),
            Column("of it registration", "registration_cpu_ms", "{:.1f}"),
        ),
    ),
    "forecasts_face256_people": forecasts(
        _predictors(OF_PEOPLE, {"hold": "hold", "damped": "damped", **LEARNED})
    ),
    "forecasts_face256_people_over_hold": forecasts(
        _predictors(OF_PEOPLE, {"hold": "hold", "damped": "damped", **LEARNED}),
        values="error_relative_to_motion",
    ),
    "forecasts_face256_grid": forecasts(
        _predictors(OF_GRID, {"hold": "hold", "damped": "damped", **LEARNED})
    ),
    "forecasts_face256_grid_over_hold": forecasts(
        _predictors(OF_GRID, {"hold": "hold", "damped": "damped", **LEARNED}),
        values="error_relative_to_motion",
    ),
    "sending": sent(
        {
            "people/test, face256": "sending_face256_people_test",
            "grid/test, lite128": "sending_lite128_grid_test",
            "grid/unseen_speaker, lite128": "sending_lite128_grid_unseen_speaker",
            "people/test, lite128": "sending_lite128_people_test",
        },
        (
            _case("every frame"),
            _case("every frame", wait=4),
            _case("1:1"),
            _case("1:1", delay=1),
            _case("gate, 1 px"),
            _case("gate, 1 px", delay=1),
            _case("gate, 1 px", wait=4),
            _case("gate, 1 px", forecast="predictor"),
            _case("gate, 2 px"),
            _case("gate, 2 px", forecast="predictor"),
        ),
    ),
    **RATES,
    "loss": losses(
        {
            "people/test, face256": "loss_face256_people_test",
            "grid/test, lite128": "loss_lite128_grid_test",
            "grid/unseen_speaker, lite128": "loss_lite128_grid_unseen_speaker",
            "people/test, lite128": "loss_lite128_people_test",
        }
    ),
    **OPERATIONS,
}
