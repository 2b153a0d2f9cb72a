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


def compared(files: Mapping[str, str], shown: Sequence[tuple[str, str]]) -> Drawing:
    """Returns a table of the same rows of several files, by the name of the set of clips."""

    def draw() -> str:
        columns = [one for one in COLUMNS if one.name != "ms_ssim"]
        lines = []
        for name, file in files.items():
            rows = {(row["method"], row["setting"]): row for row in read(file)["rows"]}
            for method, setting in shown:
                row = rows[method, setting]
                cells = [_cell(row, column) for column in columns]
                lines.append([name, ", ".join(filter(None, (method, setting))), *cells])
        return table(["clips", "sent", *(column.head for column in columns)], lines, 2)

    return Drawing(tuple(files.values()), draw)


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


def needed_elsewhere(
    files: Mapping[str, str], reference: str, codecs: Sequence[str], qualities: Sequence[str]
) -> Drawing:
    """Returns a table of the rates that codecs need for several sets of clips, as `needed`."""

    def draw() -> str:
        lines = []
        for name, file in files.items():
            found = {
                (one["rate"], one["quality"], one["codec"]): one
                for one in read(file)["needs"]
                if one["reference"] == reference
            }
            for kind in dict.fromkeys(rate for rate, _, _ in found):
                for quality in qualities:
                    cells = [_times(found.get((kind, quality, codec))) for codec in codecs]
                    lines.append([name, kind, quality, *cells])
        return table(["clips", "rate", "for the same", *codecs], lines, 3)

    return Drawing(tuple(files.values()), draw)


def _cell(row: Mapping[str, object], column: Column) -> str:
    value = row[column.name]
    return "" if value is None else column.form.format(value)


def _times(one: Mapping[str, object] | None) -> str:
    if one is None:
        return ""
    return f"{str(one['relation']).replace('=', '')} {one['times']:.2g}".strip()


_OTHERS: Final = {
    "grid/test, face256": "rate_face256_grid_test",
    "grid/unseen_speaker, face256": "rate_face256_grid_unseen_speaker",
    "akiyo and carphone, face256": "rate_face256_classic",
    "grid/test, lite128": "rate_lite128_grid_test",
    "akiyo and carphone, lite128": "rate_lite128_classic",
}
RATES: Final[Mapping[str, Drawing]] = {
    "rate_face256_people": rates("rate_face256_people_test", SHOWN),
    "rate_face256_people_needed": needed("rate_face256_people_test", "every frame, coarseness 2"),
    "rate_face256_people_needed_packed": needed(
        "rate_face256_people_test", "every frame, 5 in a packet, coarseness 2"
    ),
    "rate_lite128_strangers": rates("rate_lite128_grid_unseen_speaker", SHOWN),
    "rate_lite128_strangers_needed": needed(
        "rate_lite128_grid_unseen_speaker", "every frame, coarseness 2"
    ),
    "rate_lite128_strangers_needed_packed": needed(
        "rate_lite128_grid_unseen_speaker", "every frame, 5 in a packet, coarseness 2"
    ),
    "rate_others": compared(
        _OTHERS,
        (
            ("every frame", "coarseness 2"),
            ("every frame, 5 in a packet", "coarseness 2"),
            ("1:1, a frame of delay", "coarseness 2"),
            ("gate, hold", "1 px"),
            *((f"AV1{rate}", "crf 63") for rate in ("", ", every 2nd frame", ", every 4th frame")),
            ("AV1, half size", "crf 63"),
        ),
    ),
    "rate_others_needed": needed_elsewhere(
        _OTHERS,
        "every frame, coarseness 2",
        (
            "AV1",
            *(f"AV1, {rate}" for rate in ("every 2nd frame", "every 4th frame", "half size")),
            "x265",
        ),
        ("PSNR", "SSIM", "keypoint error"),
    ),
}
