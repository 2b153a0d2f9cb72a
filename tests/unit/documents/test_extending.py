"""The files named in docs/extending.md exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:proto|services|clients|training|tests|deploy)/[\w./]+)`", PAGE)
PATHS = sorted({path for path in NAMED if "NAME" not in path})  # NAME: the reader's own file


def test_the_page_names_files() -> None:
    assert len(PATHS) > 10


@pytest.mark.parametrize("path", PATHS)
def test_every_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("anchor", re.findall(r"\]\(#([\w-]+)\)", PAGE))
def test_every_row_of_the_table_leads_to_its_section(anchor: str) -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert anchor in slugs


MOST = {
    "number of keypoints": 1,
    "a predictor": 1,
    "a field of the stream's configuration": 4,
    "an engine": 1,
    "a metric": 1,
}


@pytest.mark.parametrize("change", MOST)
def test_no_change_touches_more_files_than_were_promised(change: str) -> None:
    found = re.search(rf"^\| \[{re.escape(change)}\]\(#[\w-]+\) \| ([^|]*) \|", PAGE, re.MULTILINE)
    assert found is not None
    assert int(re.findall(r"\d+", found.group(1))[-1]) <= MOST[change]


def test_a_field_of_the_configuration_touches_the_files_that_are_listed() -> None:
    section = PAGE.partition("## A field of the stream's configuration")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| (?!file|---)", section, re.MULTILINE)) == 4
