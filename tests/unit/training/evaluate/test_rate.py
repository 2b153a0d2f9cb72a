"""Rate against quality: bytes, curves, and an end-to-end run."""

import io
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.videos import write_video

from motioncast.codec import HEADER_BYTES, read_tables
from motioncast.evaluate.rate import command
from motioncast.evaluate.rate.bjontegaard import quality_difference, rate_difference, rate_needed
from motioncast.evaluate.rate.measuring import Point
from motioncast.evaluate.rate.ours import Scheme, send
from motioncast.evaluate.rate.pictures import RatePictures
from motioncast.evaluate.rate.stream import (
    Rates,
    Stream,
    float_rates,
    packet_rates,
    video_rates,
)
from motioncast.evaluate.rate.videocodecs import (
    VideoCodec,
    codecs_here,
    decode,
    encode,
    video_streams,
)
from motioncast.sending import EveryFrame, Regular
from motioncast.timeline.pattern import Pattern

Frames = npt.NDArray[Any]
TABLES = read_tables(Path("model_repository/lite128_keypoint/codec.json"))


def moving(frames: int, size: int = 128) -> Frames:
    """Returns a bright disc moving over a colour gradient, (T, S, S, 3)."""
    y, x = np.mgrid[:size, :size]
    pictures = []
    for t in range(frames):
        disc = 150 * np.exp(-((x - 40 - 3 * t) ** 2 + (y - 60) ** 2) / 200)
        pictures.append(np.stack([x + disc, y + disc / 2, 128 - x / 2 + disc / 3], -1).clip(0, 255))
    return np.array(pictures, np.uint8)


def track(frames: int) -> Frames:
    rest = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 16, 3))
    rest[..., 2] = 0.5
    swing = 0.05 * np.sin(np.arange(frames) / 4)[:, None, None] * np.array([1.0, 0.5, 0.0])
    moved: Frames = (rest + swing).astype(np.float32)
    return moved


def test_rates_are_the_bytes_over_the_time_of_the_frames_after_the_first() -> None:
    # 25 frames after the first take a second; 1300 bytes need two datagrams.
    rates = video_rates([b"k" * 1500, b"a" * 100, b"b" * 1300], frames=26, frame_rate=25)
    assert rates.payload_kbits == pytest.approx(8 * 1400 / 1000)
    assert rates.headers_kbits == pytest.approx(8 * (1400 + 3 * 12) / 1000)
    assert rates.wire_kbits == pytest.approx(8 * (1400 + 3 * 40) / 1000)
    assert (rates.first_bytes, rates.first_wire_bytes) == (1500, 1500 + 2 * 40)
    assert rates.spread_kbits(10) == pytest.approx(rates.wire_kbits + 8 * 1580 / 10 / 1000)


def test_our_packets_are_counted_with_their_headers_of_four_bytes() -> None:
    rates = packet_rates([b"x" * 10, b"y" * 6], b"s" * 1000, frames=26, frame_rate=25)
    assert rates.payload_kbits == pytest.approx(8 * 8 / 1000)
    assert rates.headers_kbits == pytest.approx(8 * 16 / 1000)
    assert rates.wire_kbits == pytest.approx(8 * (16 + 2 * 28) / 1000)
    # StreamRequest { coded { data } }: two tags and two lengths, then gRPC, HTTP/2, TCP and IP.
    assert rates.grpc_kbits == pytest.approx(8 * (16 + 2 * (4 + 5 + 9 + 52)) / 1000)
    assert rates.first_wire_bytes == 1000 + 4 + 28


def test_floats_take_four_bytes_a_number() -> None:
    keypoints = track(26)
    assert float_rates(keypoints, b"", 25).payload_kbits == pytest.approx(8 * 25 * 48 * 4 / 1000)


@pytest.mark.parametrize("codec", codecs_here(), ids=lambda one: one.name)
def test_a_codec_s_packets_are_its_file_s_and_come_frame_by_frame(codec: VideoCodec) -> None:
    clip = moving(9)
    packets = encode(codec, clip, 25.0, codec.factors[1])
    decoded = decode(codec, packets, 128)
    assert len(packets) == len(decoded) == 9
    assert np.abs(decoded.astype(float) - clip).mean() < 12
    raw = {"x264": "h264", "x265": "hevc", "AV1": "obu"}.get(codec.name)
    if raw is not None:  # a raw stream, whose file consists of its packets
        with av.open(io.BytesIO(b"".join(packets)), "r", format=raw) as file:
            sizes = [packet.size for packet in file.demux()]
        assert sum(sizes) == sum(map(len, packets))


def test_at_a_lower_rate_pictures_stay_and_only_the_sent_frames_are_counted() -> None:
    codec = next(one for one in codecs_here() if one.name == "x264")
    clip = moving(9)
    streams = {
        one.setting: one for one in video_streams(clip, 25.0, [replace(codec, divisors=(4,))])
    }
    assert list(streams) == [f"crf {factor}" for factor in codec.factors]
    best = streams[f"crf {codec.factors[-1]}"]
    assert best.method == "x264, every 4th frame"
    assert (best.frames[1:4] == best.frames[0]).all()
    assert (best.frames[4] != best.frames[3]).any()
    packets = encode(codec, clip[::4], 25 / 4, codec.factors[-1])
    seconds = 8 / 25
    assert best.rates.payload_kbits == pytest.approx(
        8 * sum(map(len, packets[1:])) / seconds / 1000
    )
    assert best.rates.first_bytes == len(packets[0])


def test_sent_keypoints_are_shown_at_their_time_and_others_held_or_interpolated() -> None:
    keypoints = track(12)

    def shown(**how: Any) -> tuple[list[bytes], Frames]:
        return send(TABLES, keypoints, keypoints[0], Scheme("", "", **how))

    packets, every = shown(policy=lambda _: EveryFrame())
    assert len(packets) == 11
    assert np.abs(every - keypoints)[..., :2].max() < 0.02
    together, same = shown(policy=lambda _: EveryFrame(), wait_frames=4)
    assert len(together) == 3
    assert sum(map(len, together)) < sum(map(len, packets)) - 7 * HEADER_BYTES
    np.testing.assert_array_equal(same, every)
    second, held = shown(policy=lambda _: Regular(Pattern(1, 1)))
    assert len(second) == 5
    np.testing.assert_array_equal(held[1::2], held[::2])
    _, between = shown(policy=lambda _: Regular(Pattern(1, 1)), delay_frames=1)
    np.testing.assert_allclose(between[1:-1:2], (between[:-2:2] + between[2::2]) / 2, atol=1e-6)


def test_bjontegaard_s_differences_of_curves_with_a_known_difference() -> None:
    rates = np.array([10.0, 20.0, 40.0, 80.0])
    curve = [(rate, 30 + 4 * np.log10(rate) + np.log10(rate) ** 2) for rate in rates]
    dearer = [(1.3 * rate, quality) for rate, quality in curve]
    better = [(rate, quality + 0.7) for rate, quality in curve]
    assert rate_difference(dearer, curve) == pytest.approx(0.3, rel=1e-6)
    assert rate_difference(curve, dearer) == pytest.approx(1 / 1.3 - 1, rel=1e-6)
    assert quality_difference(better, curve) == pytest.approx(0.7, rel=1e-6)
    assert rate_difference([(r, q + 50) for r, q in curve], curve) is None
    with pytest.raises(ValueError, match="3 points"):
        rate_difference(curve[:3], curve)


def test_bjontegaard_s_difference_is_the_integral_of_fitted_cubics() -> None:
    # As in VCEG-M33's spreadsheet, by numpy's older polynomials and the trapezoidal rule.
    one = [(686.76, 40.28), (309.58, 37.18), (157.11, 34.24), (85.95, 31.42)]
    other = [(893.34, 40.39), (407.8, 37.21), (204.93, 34.17), (112.75, 31.24)]
    fits = [np.polyfit(np.log10([r for r, _ in c]), [q for _, q in c], 3) for c in (other, one)]
    along = np.linspace(np.log10(112.75), np.log10(686.76), 20001)
    values = [np.polyval(fit, along) for fit in fits]
    expected = np.trapezoid(values[0] - values[1], along) / (along[-1] - along[0])
    assert quality_difference(other, one) == pytest.approx(expected, abs=1e-6)


def test_the_rate_for_a_quality_is_read_off_a_curve_or_said_to_lie_outside() -> None:
    curve = [(10.0, 30.0), (40.0, 34.0)]
    relation, rate = rate_needed(curve, 32.0)
    assert relation == "="
    assert rate == pytest.approx(20.0)
    assert rate_needed(curve, 29.0) == ("<", 10.0)
    assert rate_needed(curve, 35.0) == (">", 40.0)


def test_pictures_show_each_codec_at_the_rate_nearest_to_ours(tmp_path: Path) -> None:
    clip = moving(6)

    def shown(method: str, setting: str, kbits: float, level: int) -> tuple[Stream, Point]:
        rates = Rates(kbits, kbits, kbits, None, 0, 0)
        frames = np.full_like(clip, level)
        figures = dict.fromkeys([field.name for field in fields(Point)][9:], kbits)
        point = Point("a", method, setting, 0, kbits, kbits, kbits, None, 0, **figures)
        return Stream(method, setting, rates, frames), point

    pictures = RatePictures("videos/a.mkv", clip)
    for stream, point in (
        shown("every frame", "coarseness 0", 20, 50),
        shown("every frame", "coarseness 2", 10, 100),
        shown("AV1", "crf 63", 14, 150),
        shown("AV1", "crf 40", 8, 200),
        shown("AV1", "crf 20", 90, 250),
    ):
        pictures.add(stream, point)
    pictures.write(tmp_path, ["AV1"])
    page = np.asarray(Image.open(tmp_path / "a.jpg"))
    side = clip.shape[1] + 4
    middles = [int(page[16 + side * row + side // 2, -side // 2].mean()) for row in range(3)]
    assert middles[1] == pytest.approx(100, abs=3)
    assert middles[2] == pytest.approx(200, abs=3)  # a factor of 1.25 away; the other is 1.4 away
    columns = (page.shape[1] - 150) // side
    drawn = page[16 : 16 + side - 4, 150 : 150 + side - 4].astype(int)
    assert min(np.abs(drawn - one).mean() for one in clip) < 3
    assert columns == 5


def test_a_clip_goes_from_a_file_to_page_tables_and_plot_and_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "a.mkv", moving(8))
    options = ["--data", str(folder), "--cache", str(tmp_path / "cache"), "--model", "lite128"]
    options += ["--threads", "1", "--limit", "5", "--every", "2", "--codec", "x264"]
    options += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--force"]
    command.main([*options, "--plot", str(tmp_path / "curves.png")])

    page = capsys.readouterr().out
    assert (tmp_path / "out" / "rate" / "README.md").read_text() == page
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((tmp_path / "out" / "rate" / "results.json").read_text())
    found = {(one["method"], one["setting"]): one for one in results["summary"]}
    every = found["every frame", "coarseness 2"]
    assert found["floats, lossless source", ""]["payload_kbits"] == pytest.approx(38.4)
    assert 0 < every["payload_kbits"] < every["headers_kbits"] < every["wire_kbits"]
    assert every["headers_kbits"] == pytest.approx(every["payload_kbits"] + 0.8)
    assert found["source alone", ""]["payload_kbits"] == 0
    assert found["x264", "crf 30"]["psnr_db"] > found["x264", "crf 51"]["psnr_db"]

    [kept] = (tmp_path / "work").iterdir()
    content = json.loads(kept.read_text())
    content["points"][0]["psnr_db"] = 12.25
    kept.write_text(json.dumps(content))
    command.main(options)
    assert "| 12.25 |" in capsys.readouterr().out

    command.main([*options, "--pictures", str(tmp_path / "pictures")])
    assert (tmp_path / "pictures" / "a.jpg").read_bytes().startswith(b"\xff\xd8")
