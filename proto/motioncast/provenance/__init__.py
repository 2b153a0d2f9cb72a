"""Marks by which machines know that a picture or video is synthetic, in the words of others.

    mark       what is said: IPTC's digital source type, which model, who signs
    xmp        said as XMP, in MP4 and PNG: anybody can read it, and anybody can remove it
    manifest   said as a C2PA manifest: signed, and broken by whatever changes the file
    signer     whose signature; without one of the user's, a certificate that nobody trusts

C2PA needs the package c2pa-python (`motioncast[marks]`); without it XMP and tags are left. Sources:
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
