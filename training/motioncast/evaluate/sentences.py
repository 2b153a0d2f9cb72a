"""What went wrong, in one sentence for the user."""


def first_line(error: Exception) -> str:
    """Returns the sentence that an error begins with; libraries go on with advice and addresses."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return (str(error).splitlines() or [type(error).__name__])[0]
