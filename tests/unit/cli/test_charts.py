"""Charts have round ticks, well-formed SVG, and points at the right positions."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.cli.charts import HEIGHT, WIDTH, Series, line_chart, nice_ticks

SVG = "{http://www.w3.org/2000/svg}"


def _chart(*series: Series) -> ElementTree.Element:
    return ElementTree.fromstring(line_chart(series, x_label="frame", y_label="PSNR & SSIM"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (31, 38.2, [30, 32, 34, 36, 38, 40]), (0.9, 0.9, None)],
)
def test_ticks_are_round_and_enclose_the_values(
    low: float, high: float, expected: list[float] | None
) -> None:
    ticks = nice_ticks(low, high, about=5)
    if expected is not None:
        assert ticks == expected
    assert ticks[0] <= low <= high <= ticks[-1]
    assert len(ticks) >= 2


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-6, 1e6), about=st.integers(2, 10))
def test_any_range_gets_a_readable_number_of_ticks(low: float, span: float, about: int) -> None:
    ticks = nice_ticks(low, low + span, about=about)
    assert 2 <= len(ticks) <= about + 3
    assert ticks == sorted(set(ticks))


def test_a_line_runs_from_its_lowest_value_at_the_bottom_to_its_highest_at_the_top() -> None:
    chart = _chart(Series("a", [0.0, 10.0], "#000"))
    polyline = chart.find("polyline")
    assert polyline is not None
    (x0, y0), (x1, y1) = (
        map(float, point.split(",")) for point in polyline.get("points", "").split()
    )
    assert 0 < x0 < x1 < WIDTH
    assert HEIGHT > y0 > y1 > 0


def test_values_that_are_missing_have_no_point_and_no_dot() -> None:
    chart = _chart(Series("a", [None, 1.0, 2.0], "#000", dots=["#111", "#222", "#333"]))
    polyline = chart.find("polyline")
    assert polyline is not None
    assert len(polyline.get("points", "").split()) == 2
    assert [circle.get("fill") for circle in chart.findall("circle")] == ["#222", "#333"]


def test_a_long_series_is_averaged_to_what_a_screen_shows() -> None:
    alternating = [float(frame % 2) for frame in range(10_000)]
    polyline = _chart(Series("a", alternating, "#000")).find("polyline")
    assert polyline is not None
    points = polyline.get("points", "").split()
    assert len(points) == 1000
    assert len({point.split(",")[1] for point in points}) == 1  # the mean of 0 and 1, everywhere


def test_a_chart_of_one_frame_can_be_drawn() -> None:
    assert _chart(Series("a", [3.0], "#000", dots=["#111"])).find("circle") is not None
