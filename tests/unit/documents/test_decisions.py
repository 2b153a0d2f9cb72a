"""Decisions are numbered and brief, with context, decision, consequence and status."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parents[3] / "DECISIONS.md").read_text(encoding="utf-8")
DECISIONS = re.findall(r"^(\d+)\. (\*\*.+?)(?=^\d+\. \*\*|\Z)", TEXT, re.MULTILINE | re.DOTALL)


def test_numbers_follow_one_another() -> None:
    assert [int(number) for number, _ in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert len(DECISIONS) > 60


@pytest.mark.parametrize(("number", "text"), DECISIONS, ids=[number for number, _ in DECISIONS])
def test_a_decision_has_four_parts_and_at_most_80_words(number: str, text: str) -> None:
    parts = re.findall(r"\*(Context|Decision|Consequence|Status):\*", text)
    assert parts == ["Context", "Decision", "Consequence", "Status"], number
    assert len(text.split()) <= 80, number
