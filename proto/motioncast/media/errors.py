"""Errors for files that are refused: one sentence that names the file."""


class MotioncastError(Exception):
    """Base class of everything the client raises on purpose; defined in the lowest layer."""


class MediaError(MotioncastError):
    """An image or video file cannot be read or written."""
