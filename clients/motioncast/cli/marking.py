"""How a command signs the files it writes: two options for all commands that write videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from motioncast.cli.added_options import Options, file_option, with_options

if TYPE_CHECKING:
    from motioncast.provenance import Mark, Signer, SourceType

F = TypeVar("F", bound=Callable[..., Any])

_SIGNER: ContextVar[Signer | None] = ContextVar("signer", default=None)
_OPTIONS: Final[Options] = {
    "marks_certificate": file_option(
        "--marks-certificate",
        "PEM file of the C2PA signing certificate and its chain. Default: an untrusted "
        "development certificate.",
    ),
    "marks_key": file_option("--marks-key", "PEM file of the key of that certificate."),
}


def marking(command: F) -> F:
    """Returns a command that also takes the two options, for `mark`."""
    return with_options(command, _OPTIONS, _given)


def mark(source_type: SourceType, model: str | None) -> Mark:
    """Returns the mark for a video that the current command writes."""
    from motioncast.provenance import Mark

    return Mark(source_type, model, _SIGNER.get())


def signed_line(suffix: str = ".mp4") -> str:
    """Returns a sentence about how the command's files are marked, and with whose signature."""
    from motioncast.provenance import can_sign

    signer = _SIGNER.get()
    if signer is not None:
        return f"Marked as synthetic, signed with {signer.certificate}."
    if can_sign(suffix):
        return (
            "Marked as synthetic, signed with an untrusted development certificate "
            "(--marks-certificate sets another)."
        )
    return "Marked as synthetic, unsigned: signing requires .mp4 and motioncast[marks]."


@contextmanager
def _given(options: dict[str, Path | None]) -> Iterator[None]:
    from motioncast.cli.failures import CommandError

    certificate, key = options["marks_certificate"], options["marks_key"]
    if (certificate is None) != (key is None):
        raise CommandError("marks: --marks-certificate and --marks-key must be given together")
    signer = None
    if certificate is not None and key is not None:
        from motioncast.provenance import Signer
        from motioncast.provenance.manifest import check_signer

        signer = Signer(certificate, key)
        check_signer(signer)  # report problems now, not after everything has been rendered
    reset = _SIGNER.set(signer)
    try:
        yield
    finally:
        _SIGNER.reset(reset)
