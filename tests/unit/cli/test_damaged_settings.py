"""Damaged settings files and variables are refused with an error, whatever they contain.

The fuzzer's target `settings` (tests/fuzz) attacks the same code at random.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from motioncast.cli.serve_settings import SECTIONS
from motioncast.cli.settings_sources import SettingsError, from_environment, from_file


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[sessions]\nsilence = \xff", "is not valid TOML"),
        (b"[sessions]\nsilence = " + 5000 * b"[", "is not valid TOML"),
        (b"[sessions]\nmaximum = 1" + 5000 * b"0", "is not valid TOML"),
        (b"[sessions]\nsilence = 1" + 400 * b"0", "expected a number"),
        (b"[sessions]\nsilence = nan", "expected a number"),
        (b"[sessions]\nsilence = -inf", "expected a number"),
    ],
    ids=["no UTF-8", "nested", "digits", "too large", "nan", "infinite"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: bytes, problem: str) -> None:
    file = tmp_path / "serve.toml"
    file.write_bytes(text)
    with pytest.raises(SettingsError, match=problem):
        from_file(file, SECTIONS)


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "9" * 400])
def test_a_variable_that_is_no_finite_number_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="expected a number"):
        from_environment({"MOTIONCAST_SESSIONS_SILENCE": value}, SECTIONS)
