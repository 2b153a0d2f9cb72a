"""Errors for files that are refused: one sentence that names the file."""


class MotioncastError(Exception):
    """Base class of what the client raises on purpose; defined in the lowest layer that uses it."""


class MediaError(MotioncastError):
    """An image or video file cannot be read or written."""
