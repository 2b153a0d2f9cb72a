"""Marks, described in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from motioncast.media import Marks, shown


def verdict(marks: Marks) -> tuple[bool, str]:
    """Returns whether the marks are valid, and a sentence."""
    broken = marks.manifest is not None and not marks.manifest.intact
    if broken:
        return False, "was changed after it was signed, or its signature is broken"
    if not marks.synthetic:
        return False, "does not state that a model made it, which proves nothing"
    return True, "states that a model made it or a part of it"


def lines_of(marks: Marks) -> Iterator[str]:
    """Yields a line for each place that may contain a mark."""
    yield f"tag   {marks.tag or 'none'}"
    yield f"XMP   {marks.xmp or 'none'}"
    manifest = marks.manifest
    if manifest is None:
        yield f"C2PA  {'not read: ' + marks.unread if marks.unread else 'none'}"
        return
    # These words come from the file's author: none of them may control the terminal.
    yield f"C2PA  {shown(manifest.source_type or 'no source type')}"
    if manifest.description:
        yield f"      {shown(manifest.description)}"
    made = f"made by {shown(manifest.generator)}, " if manifest.generator else ""
    trusted = "trusted" if manifest.trusted else "not trusted (--trust sets the authorities)"
    yield f"      {made}signed by {shown(manifest.issuer)!r}: {trusted}"
    state = (
        "unchanged since signing"
        if manifest.intact
        else "changed since signing, or broken signature"
    )
    yield f"      {state}" + (f" ({', '.join(manifest.problems)})" if not manifest.intact else "")
