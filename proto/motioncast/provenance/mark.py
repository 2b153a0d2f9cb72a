"""The statement that a picture or video was made by a model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from motioncast.provenance.signer import Signer

_SCHEME: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_URI: Final = re.compile(re.escape(_SCHEME) + r"([A-Za-z]{1,64})")


class MarkError(Exception):
    """A file cannot be marked, or its marks cannot be read; the text says why."""


class SourceType(StrEnum):
    """How a picture was made: two of IPTC's digital source types, by name."""

    SYNTHETIC = "trainedAlgorithmicMedia"  # made entirely by a model
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"  # made partly by a model

    @property
    def uri(self) -> str:
        """The identifier in IPTC's vocabulary."""
        return _SCHEME + self.value


@dataclass(frozen=True, slots=True)
class Mark:
    """The contents of a mark.

    Attributes:
        source_type: Whether a model made all or part of it.
        model: Name of the model configuration; None if unknown.
        signer: The signer; None for a certificate of this process, which nobody trusts.
    """

    source_type: SourceType = SourceType.SYNTHETIC
    model: str | None = None
    signer: Signer | None = None

    @property
    def sentence(self) -> str:
        """For people, and for programs that read tags: a description, and IPTC's identifier."""
        what = "AI-generated" if self.source_type is SourceType.SYNTHETIC else "Partly AI-generated"
        by = "motioncast" if self.model is None else f"motioncast, model {self.model}"
        return f"{what} by {by}. digitalSourceType={self.source_type.uri}"


def source_type_in(text: str) -> str | None:
    """Returns the name of the first of IPTC's digital source types that a text contains."""
    found = _URI.search(text)
    return None if found is None else found[1]


def own_version() -> str:
    """Returns the version of the installed distribution; "0" if it is not installed."""
    try:
        return version("motioncast")
    except PackageNotFoundError:
        return "0"
