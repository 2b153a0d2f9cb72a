"""Colours of videos agree with the matrices of BT.601, BT.709 and BT.2020, computed by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.movies import video_stream

from motioncast.media import BACKGROUND, MediaError, read_video, write_video

Triple = tuple[float, float, float]

PATCHES: list[Triple] = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (0, 255, 255),
    (255, 0, 255),
    (0, 0, 0),
    (255, 255, 255),
    (128, 128, 128),
    (224, 172, 138),
    (36, 61, 92),
]
LUMA = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}  # kr, kb
NUMBER = {"601": 6, "709": 1, "2020": 9}  # ISO/IEC 23091-2, matrix coefficients
SIDE = 16


def ycbcr(colour: Triple, matrix: str, full: bool, bits: int = 8) -> Triple:
    """Converts R'G'B' 0 to 255 to Y'CbCr: BT.601-7, 2.5; BT.709-6, 3, 4; BT.2020-2, table 4."""
    kr, kb = LUMA[matrix]
    red, green, blue = (value / 255 for value in colour)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    if full:
        top = 2**bits - 1
        middle = 2 ** (bits - 1)
        return tuple(min(top, round(v)) for v in (top * y, top * cb + middle, top * cr + middle))
    unit = 2 ** (bits - 8)
    return tuple(round(unit * v) for v in (219 * y + 16, 224 * cb + 128, 224 * cr + 128))


def write_patches(
    path: Path,
    samples: list[Triple],
    codec: str,
    pixels: str,
    **tags: int,
) -> None:
    """Writes a row of squares losslessly, one per Y'CbCr triple."""
    kind = np.uint16 if "10" in pixels else np.uint8
    planes = np.array(samples, kind).T[:, None, :].repeat(SIDE, axis=1).repeat(SIDE, axis=2)
    with av.open(str(path), "w") as container:
        options = {"qp": "0"} if codec == "libx264" else {}
        stream = video_stream(container, codec, planes.shape[1:], pixels, **options)
        for tag, value in tags.items():
            setattr(stream.codec_context, tag, value)
        frame = av.VideoFrame(planes.shape[2], SIDE, pixels)
        for plane, values in zip(frame.planes, planes, strict=True):
            step = planes.shape[2] // plane.width  # chroma of 4:2:0: every second sample
            row = np.zeros((plane.height, plane.line_size // values.itemsize), kind)
            row[:, : plane.width] = values[::step, ::step][: plane.height]
            plane.update(row.tobytes())
        for tag, value in tags.items():
            setattr(frame, tag, value)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_patches(path: Path) -> list[list[int]]:
    with read_video(path, None) as video:
        picture, *_ = video.frames
    colours: list[list[int]] = picture[SIDE // 2, SIDE // 2 :: SIDE].astype(int).tolist()
    return colours


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", LUMA)
@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [
        ("libx264", "yuv420p", ".mp4"),
        ("libx264", "yuv444p", ".mkv"),
        ("ffv1", "yuv420p10le", ".mkv"),
    ],
)
def test_colours_are_right_within_three(
    tmp_path: Path, codec: str, pixels: str, suffix: str, matrix: str, full: bool
) -> None:
    bits = 10 if "10" in pixels else 8
    samples = [ycbcr(colour, matrix, full, bits) for colour in PATCHES]
    path = tmp_path / f"clip{suffix}"
    tags = {"colorspace": NUMBER[matrix], "color_range": 2 if full else 1}
    write_patches(path, samples, codec, pixels, **tags)
    assert np.abs(np.array(read_patches(path)) - PATCHES).max() <= 3


@pytest.mark.parametrize("size", [(16, 12), (15, 12), (16, 13), (15, 13)], ids=str)
@pytest.mark.parametrize(("pixels", "across", "down"), [("yuv420p", 2, 2), ("yuv411p", 4, 1)])
def test_a_sample_of_chroma_has_its_own_pixels_though_the_last_is_cut(
    tmp_path: Path, pixels: str, across: int, down: int, size: tuple[int, int]
) -> None:
    width, height = size
    samples = np.random.default_rng(0).integers(80, 170, (-(-height // down), -(-width // across)))
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = video_stream(container, "ffv1", (height, width), pixels)
        stream.codec_context.colorspace, stream.codec_context.color_range = NUMBER["709"], 2
        frame = av.VideoFrame(width, height, pixels)
        for number, plane in enumerate(frame.planes):
            rows = np.full((plane.height, plane.line_size), 128, np.uint8)
            if number == 1:  # Cb
                rows[:, : samples.shape[1]] = samples
            plane.update(rows.tobytes())
        frame.colorspace, frame.color_range = NUMBER["709"], 2
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with read_video(path, None) as video:
        [picture] = video.frames
    chroma = samples.repeat(across, axis=1).repeat(down, axis=0)[:height, :width]
    blue = 128 + 1.8556 * (chroma - 128)  # BT.709: B' = Y' + 2 (1 - kb) Cb
    assert np.abs(picture[..., 2] - blue).max() <= 1


@pytest.mark.parametrize(("height", "matrix"), [(576, "601"), (720, "709")])
def test_what_says_no_matrix_is_taken_as_players_take_it(
    tmp_path: Path, height: int, matrix: str
) -> None:
    colour = (200.0, 60.0, 90.0)
    y, cb, cr = ycbcr(colour, matrix, full=False)
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = video_stream(container, "ffv1", (height, 32), "yuv420p")
        frame = av.VideoFrame(32, height, "yuv420p")
        for plane, value in zip(frame.planes, (y, cb, cr), strict=True):
            plane.update(bytes([int(value)]) * plane.buffer_size)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with read_video(path, None) as video:
        (picture,) = video.frames
    assert np.abs(picture[0, 0].astype(float) - colour).max() <= 3


def test_grey_of_limited_range_is_black_to_white(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = video_stream(container, "ffv1", (SIDE, 2 * SIDE), "gray")
        stream.codec_context.color_range = 1
        grey = np.full((SIDE, 2 * SIDE), 16, np.uint8)
        grey[:, SIDE:] = 235
        frame = av.VideoFrame.from_ndarray(grey, format="gray")
        frame.color_range = 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read_patches(path) == [[0, 0, 0], [255, 255, 255]]


def test_a_matrix_that_is_not_known_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_patches(path, [(100, 128, 128)], "ffv1", "yuv444p", colorspace=8, color_range=1)  # YCgCo
    with pytest.raises(MediaError, match=r"^clip\.mkv: its colours \(matrix 8 of H\.273\)"):
        read_patches(path)


def hdr(path: Path, colours: list[Triple], transfer: int) -> list[list[int]]:
    """Writes R'G'B' signals, 0 to 1, as 10-bit BT.2020 and reads them back."""
    scaled = [(255 * r, 255 * g, 255 * b) for r, g, b in colours]
    samples = [ycbcr(colour, "2020", full=False, bits=10) for colour in scaled]
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": transfer}
    write_patches(path, samples, "ffv1", "yuv444p10le", **tags)
    return read_patches(path)


def test_hdr_reference_white_is_white_and_the_same_in_both_systems(tmp_path: Path) -> None:
    # BT.2408-7, table 1: 203 nits are 75 % of HLG's signal and 58 % of PQ's.
    (hlg,) = hdr(tmp_path / "hlg.mkv", [(0.75, 0.75, 0.75)], 18)
    (pq,) = hdr(tmp_path / "pq.mkv", [(0.58, 0.58, 0.58)], 16)
    assert np.abs(np.array(hlg) - pq).max() <= 2
    assert min(hlg) > 235
    assert max(hlg) < 255


@pytest.mark.parametrize(
    ("transfer", "signal", "nits"),
    [
        (18, 0.5, 1000 * (1 / 12) ** 1.2),  # BT.2100-2: half the signal is 1/12 of the light
        (18, 0.38, 26.0),  # BT.2408-7, table 1: a grey card of 18 %
        (16, 0.38, 26.0),
        (16, 0.508, 100.0),  # SMPTE ST 2084
    ],
)
def test_hdr_of_less_light_keeps_it(
    tmp_path: Path, transfer: int, signal: float, nits: float
) -> None:
    (grey,) = hdr(tmp_path / "a.mkv", [(signal,) * 3], transfer)
    expected = 255 * (nits / 203) ** (1 / 2.4)  # BT.1886: the display's power is 2.4
    assert np.abs(np.array(grey) - expected).max() <= 3


def test_hdr_keeps_black_and_the_hue_of_bt709s_red(tmp_path: Path) -> None:
    # BT.2087-0: linear red of BT.709 is (0.6274, 0.0691, 0.0164) in BT.2020; as PQ of 50 nits.
    def signal(nits: float) -> float:
        y = (nits / 10_000) ** (2610 / 16384)
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        return float(((c1 + c2 * y) / (1 + c3 * y)) ** (2523 / 4096 * 128))

    red = (signal(50 * 0.6274), signal(50 * 0.0691), signal(50 * 0.0164))
    shown, black = hdr(tmp_path / "a.mkv", [red, (0.0, 0.0, 0.0)], 16)
    assert abs(shown[0] - 255 * (50 / 203) ** (1 / 2.4)) <= 4
    assert max(shown[1:]) < 40  # little light, but a large signal
    assert max(black) <= 3


def test_transparent_parts_are_the_background(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    picture = np.zeros((16, 16, 4), np.uint8)
    picture[...] = (255, 0, 255, 0)  # a hidden colour
    picture[:, 8:] = (10, 20, 30, 255)
    with av.open(str(path), "w") as container:
        stream = video_stream(container, "qtrle", (16, 16), "argb")
        frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="argb")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with read_video(path, 16) as video:
        (shown,) = video.frames
    assert (shown[:, :7] == BACKGROUND).all()
    assert (shown[:, 9:] == (10, 20, 30)).all()


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_opacity_beside_the_picture_of_webm_is_minded(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clip.webm"
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[...] = (255, 0, 255, 0)
    picture[:, 32:] = (10, 200, 30, 255)
    with av.open(str(path), "w") as container:
        options = {"auto-alt-ref": "0", "crf": "4", "b": "2M"}
        stream = video_stream(container, codec, (64, 64), "yuva420p", **options)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba")
            container.mux(stream.encode(frame.reformat(format="yuva420p")))
        container.mux(stream.encode(None))
    with read_video(path, 64) as video:
        frames = list(video.frames)
    assert len(frames) == 3
    assert np.abs(frames[0][:, :28].astype(int) - BACKGROUND).max() <= 3
    assert np.abs(frames[0][:, 36:].astype(int) - (10, 200, 30)).max() <= 8


def test_what_is_written_says_its_colours_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    row = np.array(PATCHES, np.uint8)[None].repeat(SIDE, axis=0).repeat(SIDE, axis=1)
    with write_video(path, 25) as video:
        for _ in range(3):
            video.write(row)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, limited
        planes = [np.frombuffer(bytes(p), np.uint8).reshape(p.height, -1) for p in frame.planes]
    for number, colour in enumerate(PATCHES):
        y, cb, cr = ycbcr(colour, "709", full=False)
        at = number * SIDE + SIDE // 2
        stored = planes[0][8, at], planes[1][4, at // 2], planes[2][4, at // 2]
        assert np.abs(np.array(stored, float) - (y, cb, cr)).max() <= 3
    assert np.abs(np.array(read_patches(path)) - PATCHES).max() <= 8  # H.264's own loss
