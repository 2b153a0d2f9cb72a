"""Codec tables read back as written; invalid tables are refused with an error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.codec_tables import geometric_rows, plain_tables, turned_tables

from motioncast.codec import CodecTables, TablesError, read_tables, write_tables

ARRAYS = ("matrix", "steps", "profiles", "scales", "classes")


@pytest.mark.parametrize("tables", [plain_tables(2), turned_tables(3, 4)])
def test_tables_read_back_as_they_were_written(tables: CodecTables, tmp_path: Path) -> None:
    text = write_tables(tables)
    file = tmp_path / "codec.json"
    file.write_text(text, encoding="utf-8")
    for read in (read_tables(file), read_tables(text), read_tables(text.encode())):
        assert read.keypoints == tables.keypoints
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(read, name), getattr(tables, name))
        assert write_tables(read) == text


def test_costs_are_those_of_the_logarithm() -> None:
    tables = plain_tables(1)
    signs = np.arange(16) > 0
    exact = -np.log2(geometric_rows() / 32768) + signs
    np.testing.assert_allclose(tables.class_costs / 256, exact, atol=1 / 256 + 1e-9)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("keypoints", 0, "keypoints: 1 to 256"),
        ("keypoints", 10**9, "keypoints: 1 to 256"),
        ("keypoints", "2", "keypoints: 1 to 256"),
        ("keypoints", 3, "steps: whole numbers"),
        ("version", 2, "version 1 expected"),
        ("format", "other", "a different format"),
        ("steps", [0] * 6, "steps: 1 to 16384"),
        ("steps", [1.5] * 6, "steps: whole numbers"),
        ("steps", None, "steps missing"),
        ("steps", [2**70] * 6, "steps: whole numbers"),
        ("matrix", [[1, 2], [3]], "matrix: whole numbers"),
        ("matrix", [[20000] * 6] * 6, "matrix: -16384 to 16384"),
        ("profiles", [[64] * 6] * 3, "profiles: 0 to 63"),
        ("scales", [[2047] * 16] * 3, "scales: rows that sum to 32768"),
        ("classes", [[0, *[2184] * 14, 2192]] * 64, "classes: 1 to 32768"),
        ("classes", {}, "classes missing"),
    ],
)
def test_what_cannot_be_tables_is_refused(name: str, value: Any, said: str) -> None:
    content = json.loads(write_tables(plain_tables(2)))
    with pytest.raises(TablesError, match=f"^codec tables: .*{said}"):
        read_tables(json.dumps(content | {name: value}))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100_000, "\0", b"\xff\xfe"])
def test_what_is_no_json_of_ours_is_refused(text: str | bytes) -> None:
    with pytest.raises(TablesError, match=r"^codec tables: "):
        read_tables(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.sampled_from(["keypoints", *ARRAYS]), json_values)
def test_no_value_of_a_field_breaks_the_reader(name: str, value: Any) -> None:
    content = json.loads(write_tables(plain_tables(1)))
    try:
        read_tables(json.dumps(content | {name: value}))
    except TablesError:
        return


def test_a_file_too_large_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(TablesError, match="more than 8388608 bytes"):
        read_tables(b" " * (8 << 20) + b"{}")


def test_tables_made_by_hand_are_checked_too() -> None:
    with pytest.raises(TablesError, match="steps: whole numbers"):
        replace(plain_tables(2), steps=np.ones(5, np.int64))
