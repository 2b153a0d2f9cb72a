"""Machine-readable marks of synthetic pictures and videos, using established vocabularies.

    mark       the statement: IPTC's digital source type, the model, the signer
    xmp        the mark as XMP, in MP4 and PNG: anyone can read it, and anyone can remove it
    manifest   the mark as a C2PA manifest: signed, and invalidated by any change of the file
    signer     who signs; without a user's certificate, one that nobody trusts

C2PA needs the package c2pa-python (`motioncast[marks]`); without it, only XMP and tags. Sources:
C2PA technical specification 2.2 (actions, hashes of BMFF); IPTC NewsCodes, digital source type;
XMP specification part 3 (ISO 16684-2, MP4 and PNG).
"""

from motioncast.provenance.manifest import Manifest, can_sign, read_manifest, sign_file
from motioncast.provenance.mark import Mark, MarkError, SourceType
from motioncast.provenance.signer import Signer
from motioncast.provenance.xmp import append_xmp, packet, xmp_of

__all__ = [
    "Manifest",
    "Mark",
    "MarkError",
    "Signer",
    "SourceType",
    "append_xmp",
    "can_sign",
    "packet",
    "read_manifest",
    "sign_file",
    "xmp_of",
]
