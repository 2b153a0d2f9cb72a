"""What a file may be refused with: one sentence that names it."""


class MotioncastError(Exception):
    """Whatever the client raises on purpose; it stands here, on the lowest floor that raises it."""


class MediaError(MotioncastError):
    """An image or video file cannot be read or written."""
