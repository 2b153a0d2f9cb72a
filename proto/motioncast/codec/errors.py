"""Errors for bytes, tables, and frames to be encoded; each text is one sentence."""

from __future__ import annotations


class BitstreamError(ValueError):
    """The bytes are not a packet, or the decoder lacks what it needs to decode them."""


class UnknownReferenceError(BitstreamError):
    """A packet refers to a frame or source that is not known, or not yet."""


class EncodingError(ValueError):
    """Frames cannot be encoded as requested."""


class TablesError(ValueError):
    """A file contains no codec tables, or invalid ones."""
