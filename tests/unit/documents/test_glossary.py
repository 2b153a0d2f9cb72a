"""The glossary explains every term once, in order and briefly, and is linked for readers."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^- \*\*(.+?)\*\*: (.+?)(?=\n- |\n\n|\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = re.split(r"^## ", GLOSSARY, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0])
def test_terms_of_a_section_are_in_alphabetical_order(section: str) -> None:
    terms = [term.casefold() for term, _ in ENTRY.findall(section)]
    assert terms == sorted(terms)


def test_a_term_is_explained_once_in_at_most_three_sentences() -> None:
    entries = ENTRY.findall(GLOSSARY)
    terms = [term.casefold() for term, _ in entries]
    assert len(terms) == len(set(terms)) == GLOSSARY.count("\n- **")
    for term, text in entries:
        assert len(re.findall(r"\.(?:\s|$)", text)) <= 3, term


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_readers_are_led_to_it(page: str) -> None:
    assert "(docs/glossary.md)" in (ROOT / page).read_text(encoding="utf-8")
