"""Tables of `motioncast evaluate rate`: bit rates and quality, and the rates that codecs need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from figures.drawing import Column, Drawing, read, table

QUALITIES: Final = ("PSNR", "SSIM", "MS-SSIM", "VIF", "error of motion", "keypoint error")
SHOWN: Final = (  # only every second rate factor of the codecs
    "",
    *(f"coarseness {one}" for one in (0, 2, 4, 6)),
    *("1 px", "2 px", "crf 51", "crf 37", "crf 63", "crf 46", "crf 36"),
)
COLUMNS: Final = (
    Column("kbit/s payload", "payload_kbits", "{:.2f}"),
    Column("with headers", "headers_kbits", "{:.2f}"),
    Column("UDP/IP", "wire_kbits", "{:.1f}"),
    Column("first picture, bytes", "first_bytes", "{:.0f}"),
    Column("wire, 10 s", "wire_10_s_kbits", "{:.1f}"),
    Column("60 s", "wire_60_s_kbits", "{:.1f}"),
    Column("PSNR dB", "psnr_db", "{:.2f}"),
    Column("SSIM", "ssim", "{:.3f}"),
    Column("MS-SSIM", "ms_ssim", "{:.3f}"),
    Column("VIF", "vif", "{:.3f}"),
    Column("error of motion", "temporal_error", "{:.2f}"),
    Column("keypoints px", "keypoint_error_pixels", "{:.2f}"),
    Column("their motion", "motion_correlation", "{:.2f}"),
    Column("mouth", "mouth_correlation", "{:.2f}"),
)


def rates(file: str, settings: Sequence[str] = ()) -> Drawing:
    """Returns a table of a file's rows, all of them or only those with some settings."""

    def draw() -> str:
        rows = [one for one in read(file)["rows"] if not settings or one["setting"] in settings]
        columns = [one for one in COLUMNS if any(row[one.name] is not None for row in rows)]
        lines = [
            [row["method"], row["setting"], *(_cell(row, column) for column in columns)]
            for row in rows
        ]
        return table(["sent", "setting", *(column.head for column in columns)], lines, 2)

    return Drawing((file,), draw)


def needed(file: str, reference: str) -> Drawing:
    """Returns a table of the rates that codecs need, as multiples of a reference's rate.

    First the payload's rate, then the wire's over 10 s.
    """

    def draw() -> str:
        found = {
            (one["codec"], one["rate"], one["quality"]): one
            for one in read(file)["needs"]
            if one["reference"] == reference
        }
        codecs, kinds = (list(dict.fromkeys(key[i] for key in found)) for i in (0, 1))
        lines = [
            [codec, kind, *(_times(found.get((codec, kind, name))) for name in QUALITIES)]
            for kind in kinds
            for codec in codecs
        ]
        return table(["codec", "rate", *QUALITIES], lines, 2)

    return Drawing((file,), draw)


def _cell(row: Mapping[str, object], column: Column) -> str:
    value = row[column.name]
    return "" if value is None else column.form.format(value)


def _times(one: Mapping[str, object] | None) -> str:
    if one is None:
        return ""
    return f"{str(one['relation']).replace('=', '')} {one['times']:.2g}".strip()
