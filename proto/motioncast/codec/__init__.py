"""The keypoint codec: keypoints of frames to packets of bytes and back, using only numpy.

    keypoints (K, 3) -> lattice -> residual against a frame named in the packet
        -> the model's transform -> quantised coefficients -> range coder -> bytes

Everything after the lattice is integer arithmetic, so a packet decodes to the same bits
everywhere. Packets share no state other than the decoded frames: anyone who has the frame that a
packet names can decode it. docs/bitstream.md is the specification.
"""

from motioncast.codec.decoder import DecodedFrame, KeypointDecoder
from motioncast.codec.encoder import EncodedPacket, KeypointEncoder
from motioncast.codec.errors import (
    BitstreamError,
    EncodingError,
    TablesError,
    UnknownReferenceError,
)
from motioncast.codec.lattice import from_lattice, to_lattice
from motioncast.codec.packet import (
    DEFAULT_COARSENESS,
    HEADER_BYTES,
    MAX_COARSENESS,
    MAX_PACKET_BYTES,
    MAX_PACKET_FRAMES,
    FrameReference,
    Header,
    Reference,
    SourceReference,
    parse_header,
)
from motioncast.codec.source_keypoints import decode_source, encode_source
from motioncast.codec.tables import CodecTables
from motioncast.codec.tables_file import read_tables, write_tables

__all__ = [
    "DEFAULT_COARSENESS",
    "HEADER_BYTES",
    "MAX_COARSENESS",
    "MAX_PACKET_BYTES",
    "MAX_PACKET_FRAMES",
    "BitstreamError",
    "CodecTables",
    "DecodedFrame",
    "EncodedPacket",
    "EncodingError",
    "FrameReference",
    "Header",
    "KeypointDecoder",
    "KeypointEncoder",
    "Reference",
    "SourceReference",
    "TablesError",
    "UnknownReferenceError",
    "decode_source",
    "encode_source",
    "from_lattice",
    "parse_header",
    "read_tables",
    "to_lattice",
    "write_tables",
]
