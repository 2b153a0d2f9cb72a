"""The page of the evaluation: lines by method, rates codecs need, Bjontegaard differences."""

from collections.abc import Sequence

from motioncast.evaluate.markdown import table
from motioncast.evaluate.rate.measuring import Point
from motioncast.evaluate.rate.summary import QUALITIES, RATES, Difference, Need

HEAD = (
    "sent",
    "setting",
    "kbit/s payload",
    "with headers",
    "UDP/IP",
    "gRPC",
    "first picture, bytes",
    "wire, 10 s",
    "wire, 60 s",
    "PSNR dB",
    "SSIM",
    "MS-SSIM",
    "VIF",
    "error of motion",
    "keypoint error px",
    "keypoints",
    "mouth",
    "delay",
)


def as_page(
    lines: Sequence[Point],
    needed: Sequence[Need],
    differing: Sequence[Difference],
    data: str,
    command: str,
) -> str:
    """Returns the page (Markdown)."""
    parts = [
        "# Rate and quality",
        f"{lines[0].clip} of {data}. Means over clips; for the correlations of keypoints and"
        " mouth, medians. Rates exclude the first picture, except for calls of 10 and 60 s,"
        " whose rates are those on the wire (UDP and IP). Delay in frames. Made by",
        f"```\n{command}\n```",
        table(HEAD, [_line(one) for one in lines]),
        "The rate that a codec needs for the same quality, divided by our rate. *<*: even"
        " its lowest rate is better; *>*: even the highest rate tried is worse.",
    ]
    for reference in dict.fromkeys(one.reference for one in needed):
        for rate, _ in RATES:
            own = [one for one in needed if (one.reference, one.rate) == (reference, rate)]
            parts += [f"## {reference}: {rate}", needs_table(own)]
    if differing:
        parts += [
            "## Bjontegaard differences of payloads, relative to sending every frame",
            "Rate at the same quality, and quality at the same rate; a dash where the"
            " curves do not overlap.",
            _differences(differing),
        ]
    return "\n\n".join(parts)


def needs_table(needed: Sequence[Need]) -> str:
    """Formats the rates that codecs need, a line for each codec."""
    found = {(one.codec, one.quality): one for one in needed}
    qualities = [label for label, _, _ in QUALITIES if any(one.quality == label for one in needed)]
    rows = [
        [codec, *(_times(found.get((codec, quality))) for quality in qualities)]
        for codec in dict.fromkeys(one.codec for one in needed)
    ]
    return table(["codec", *qualities], rows)


def _times(need: Need | None) -> str:
    if need is None:
        return "-"
    return f"{need.relation.replace('=', '')} {need.times:.2g}".strip()


def _differences(differing: Sequence[Difference]) -> str:
    found = {(one.codec, one.quality): one for one in differing}
    qualities = list(dict.fromkeys(one.quality for one in differing))
    rows = []
    for codec in dict.fromkeys(one.codec for one in differing):
        cells = []
        for quality in qualities:
            one = found.get((codec, quality))
            if one is None or one.rate_share is None:
                cells.append("-")
            else:
                cells.append(f"{one.rate_share:+.0%}")
            better = None if one is None else one.quality_difference
            cells.append("-" if better is None else f"{better:+.3g}")
        rows.append([codec, *cells])
    head = [cell for quality in qualities for cell in (f"{quality}: rate", "quality")]
    return table(["codec", *head], rows)


def _line(one: Point) -> list[str]:
    return [
        one.method,
        one.setting,
        f"{one.payload_kbits:.2f}",
        f"{one.headers_kbits:.2f}",
        f"{one.wire_kbits:.2f}",
        _known(one.grpc_kbits, ".2f"),
        f"{one.first_bytes:.0f}",
        f"{one.wire_10_s_kbits:.2f}",
        f"{one.wire_60_s_kbits:.2f}",
        f"{one.psnr_db:.2f}",
        f"{one.ssim:.4f}",
        f"{one.ms_ssim:.4f}",
        f"{one.vif:.3f}",
        _known(one.temporal_error, ".3f"),
        f"{one.keypoint_error_pixels:.3f}",
        _known(one.motion_correlation, ".3f"),
        _known(one.mouth_correlation, ".3f"),
        str(one.delay_frames),
    ]


def _known(value: float | None, form: str) -> str:
    return "-" if value is None or value != value else format(value, form)
