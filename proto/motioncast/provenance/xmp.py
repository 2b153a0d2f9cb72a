"""The mark as XMP: IPTC's property DigitalSourceType, stored as MP4 files and PNGs store XMP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from motioncast.provenance.mark import Mark, own_version

XMP_UUID: Final = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes  # XMP specification, part 3
C2PA_UUID: Final = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes  # C2PA, appendix A.5
MAX_XMP_BYTES: Final = 2**20
MAX_BOXES: Final = 4096  # the most that are read in a file
PNG_KEYWORD: Final = "XML:com.adobe.xmp"

_PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool={tool}
    Iptc4xmpExt:DigitalSourceType={uri}>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def packet(mark: Mark) -> str:
    """Returns the XMP packet for a mark."""
    return _PACKET.format(
        tool=quoteattr(f"motioncast {own_version()}"),
        uri=quoteattr(mark.source_type.uri),
        text=escape(mark.sentence),
    )


def append_xmp(path: Path, mark: Mark) -> None:
    """Appends a box with the packet to an MP4 file; its existing content does not move.

    Raises:
        OSError: The file cannot be written.
    """
    body = XMP_UUID + packet(mark).encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(body), b"uuid") + body)


def xmp_of(path: Path) -> str | None:
    """Returns the XMP packet of a file of boxes (MP4, MOV); None if it has none.

    Raises:
        OSError: The file cannot be read.
    """
    found = uuid_box(path, XMP_UUID)
    return None if found is None else found.decode("utf-8", "replace")


def uuid_box(path: Path, kind: bytes) -> bytes | None:
    """Returns up to 1 MiB of the first box of a kind; None if there is none, or no boxes at all."""
    with path.open("rb") as file:
        for name, size in _boxes(file):
            if name == b"uuid" and size >= 16 and file.read(16) == kind:
                return file.read(min(size - 16, MAX_XMP_BYTES))
    return None


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yields kind and size of each top-level box, with the file positioned at its content."""
    end = file.seek(0, 2)
    place = 0
    for _ in range(MAX_BOXES):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head)
        header = 8
        if size == 1:  # a 64-bit size follows
            long = file.read(8)
            if len(long) < 8:
                return
            (size,) = struct.unpack(">Q", long)
            header = 16
        elif size == 0:  # to the end of the file
            size = end - place
        if size < header or place + size > end or not name.isalnum():
            return
        yield name, size - header
        place += size
