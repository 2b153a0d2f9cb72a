"""What may be wrong with bytes, tables, and frames to be encoded; each text is one sentence."""

from __future__ import annotations


class BitstreamError(ValueError):
    """Bytes are no packet, or one that cannot be decoded with what the decoder has."""


class UnknownReferenceError(BitstreamError):
    """A packet refers to a frame or source that is not known, or not yet."""


class EncodingError(ValueError):
    """Frames cannot be encoded as they are asked to be."""


class TablesError(ValueError):
    """A file holds no codec tables, or such as cannot be."""
