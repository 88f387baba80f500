"""The journal on disk: which files there are, and the records in them.

A gateway writes parts `<gateway>-<sequence>.journal`, one after another; several gateways can share
the directory. A part begins with MAGIC. Each record is a frame (see `gateway.configuration.frames`)
whose payload is a CallRecord in MessagePack. A part is only ever
appended to, by one process, and never again after a restart; so whatever follows the last whole
frame is either being written or was torn off by a crash.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec

from gateway.configuration import frames
from gateway.configuration.frames import HEAD
from gateway.journal.record import CallRecord

MAGIC = b"APIMJ1\r\n"
MAX_RECORD_BYTES = 2**22
GATEWAY_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,62}[A-Za-z0-9])?")

_PART_NAME = re.compile(rf"(?P<gateway>{GATEWAY_NAME.pattern})-(?P<sequence>\d{{12}})\.journal")
_READ_BYTES = 2**18
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CallRecord).decode


@dataclass(frozen=True, slots=True, order=True)
class Part:
    gateway: str
    sequence: int
    file: Path


def part_file(directory: Path, gateway: str, sequence: int) -> Path:
    return directory / f"{gateway}-{sequence:012}.journal"


def parts(directory: Path) -> list[Part]:
    """All parts, each gateway's in the order in which they were written."""
    named = ((file, _PART_NAME.fullmatch(file.name)) for file in directory.glob("*.journal"))
    return sorted(Part(name["gateway"], int(name["sequence"]), file) for file, name in named if name)


def backlog(directory: Path) -> tuple[int, int]:
    """Number and bytes of all parts: one is deleted once it is finished and ingested."""
    sizes = []
    for part in parts(directory):
        with suppress(FileNotFoundError):
            sizes.append(part.file.stat().st_size)
    return len(sizes), sum(sizes)


def frame(record: CallRecord) -> bytes:
    return frames.frame(_encode(record))


def read_records(file: Path, offset: int = 0) -> Iterator[tuple[CallRecord, int]]:
    """Whole records from `offset` on, each with the offset that follows it.

    Offsets are 0 or ones that were given out. Ends at the first frame that is not whole: in a part
    that is still written to, ask again later from the last offset. Raises OSError.
    """
    position = max(offset, len(MAGIC))
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return
        stream.seek(position)
        buffer = b""
        while chunk := stream.read(_READ_BYTES):
            buffer += chunk
            used = 0
            while (record := _record_at(buffer, used)) is not None:
                used += HEAD.size + HEAD.unpack_from(buffer, used)[0]
                yield record, position + used
            buffer = buffer[used:]
            position += used
            if len(buffer) > HEAD.size + MAX_RECORD_BYTES:
                return


def _record_at(buffer: bytes, start: int) -> CallRecord | None:
    if len(buffer) < start + HEAD.size:
        return None
    length, checksum = HEAD.unpack_from(buffer, start)
    payload = buffer[start + HEAD.size : start + HEAD.size + length]
    # Length 0 is what a file system leaves after a loss of power: zeros, and their checksum is 0.
    if length == 0 or len(payload) < length or crc32(payload) != checksum:
        return None
    try:
        return _decode(payload)
    except msgspec.MsgspecError:
        return None
