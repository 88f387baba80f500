"""Frames in a file that is only appended to: a piece that is torn off or damaged is noticed.

A frame is the length and the CRC-32 of its payload (4 bytes each, little-endian), then the payload.
"""

import os
import struct
from zlib import crc32

MAX_PAYLOAD_BYTES = 2**26

HEAD = struct.Struct("<II")
_READ_BYTES = 2**16


class DamagedFrame(ValueError):
    """What lies at the position of a frame is none, and will not become one."""


def frame(payload: bytes) -> bytes:
    return HEAD.pack(len(payload), crc32(payload)) + payload


class FrameReader:
    """Reads one frame after another from a position on, as far as they have been written."""

    def __init__(self, descriptor: int, position: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self.position = position

    def next(self) -> bytes | None:
        """The next payload; None as long as it is not wholly there. Raises DamagedFrame and OSError."""
        if not self._holds(HEAD.size):
            return None
        length, checksum = HEAD.unpack_from(self._buffer)
        # Length 0 is what a file system leaves after a loss of power: zeros, and their checksum is 0.
        if not 0 < length <= MAX_PAYLOAD_BYTES:
            raise DamagedFrame(f"no frame at byte {self.position}")
        end = HEAD.size + length
        if not self._holds(end):
            return None
        payload = bytes(memoryview(self._buffer)[HEAD.size : end])
        if crc32(payload) != checksum:
            raise DamagedFrame(f"the frame at byte {self.position} is damaged")
        del self._buffer[:end]
        self.position += end
        return payload

    def _holds(self, size: int) -> bool:
        while len(self._buffer) < size:
            more = os.pread(self._descriptor, max(_READ_BYTES, size), self.position + len(self._buffer))
            if not more:
                return False
            self._buffer += more
        return True
