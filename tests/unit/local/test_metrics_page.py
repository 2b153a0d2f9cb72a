"""docs/service_metrics.md matches the code's metrics, with conventional Prometheus names."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer

from motioncast.local.metrics_page import main, page, sections

PAGE = Path(__file__).parents[3] / "docs" / "service_metrics.md"
FAMILIES = [family for families in sections().values() for family in families]


@pytest.mark.skipif(sys.platform != "linux", reason="what a process tells is Linux's")
def test_the_page_is_written_from_the_code() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_a_page_that_differs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "page.md"
    main(file)
    main(file, check=True)
    file.write_text(page() + "more\n")
    with pytest.raises(typer.Exit) as ended:
        main(file, check=True)
    assert ended.value.exit_code == 1
    assert "write it again without --check" in capsys.readouterr().err


def test_every_metric_is_ours_or_has_a_name_that_is_known_everywhere() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    for name in names:
        assert re.fullmatch(r"(motioncast|grpc_server|process)_[a-z_]+", name)


def test_names_end_as_prometheus_wants_them() -> None:
    """https://prometheus.io/docs/practices/naming/"""
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert not family.name.endswith(("_milliseconds", "_ms", "_kilobytes")), family.name
        assert family.meaning.endswith("."), family.name
