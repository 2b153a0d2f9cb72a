"""A file's metadata is printed without terminal control sequences."""

from __future__ import annotations

from dataclasses import replace

from motioncast.cli.marks_lines import lines_of, verdict
from motioncast.media import Marks
from motioncast.provenance import Manifest

MANIFEST = Manifest(
    "trainedAlgorithmicMedia\x1b[2J",
    "tool\x1b]0;x\x07 1",
    "made\nup\x1b[31m",
    "who\x9b",
    True,
    False,
    (),
)


def test_no_letter_of_a_file_steers_the_terminal() -> None:
    lines = list(lines_of(Marks("trainedAlgorithmicMedia", None, MANIFEST)))
    assert all(line.isprintable() for line in lines), lines


def test_a_broken_signature_counts_more_than_what_is_said() -> None:
    marks = Marks("trainedAlgorithmicMedia", None, replace(MANIFEST, intact=False))
    assert verdict(marks) == (
        False,
        "was changed after it was signed, or its signature is broken",
    )
    assert verdict(Marks("trainedAlgorithmicMedia", None, None))[0]
    assert not verdict(Marks(None, "digitalCapture", None))[0]
