"""Parts of the journal that their gateway has finished: damage is stepped over, what is ingested is deleted.

Only of a finished part can it be said that bytes behind the last whole record are damage or a torn
tail; in any other they may still be on their way.
"""

import logging
import mmap
import re
import time
from pathlib import Path

import msgspec
from django.utils import timezone

from analytics.ingest import advance
from analytics.models import JournalPart
from gateway.configuration.frames import HEAD
from gateway.journal.checkpoint import close_abandoned, deletable
from gateway.journal.parts import MAGIC, read_records
from gateway.journal.record import CallRecord

_FEWEST_FIELDS = 26
# Each record's payload begins as an array of so many items; gateways of earlier versions wrote fewer.
_PAYLOAD_START = re.compile(
    b"|".join(
        re.escape(msgspec.msgpack.encode([None] * count)[:3])
        for count in range(_FEWEST_FIELDS, len(CallRecord.__struct_fields__) + 1)
    )
)

logger = logging.getLogger(__name__)


def retire(directory: Path) -> int:
    """Delete the parts that are wholly ingested and needed by no gateway; returns how many."""
    for gateway in close_abandoned(directory, time.time()):
        logger.warning("Gateway %s was killed and has not come back; its journal is closed", gateway)
    return sum(_retire(file) for file in deletable(directory))


def _retire(file: Path) -> bool:
    offset = JournalPart.objects.filter(name=file.name).values_list("offset", flat=True).first() or 0
    try:
        size = file.stat().st_size
        if offset < size and not (size == len(MAGIC) and file.read_bytes() == MAGIC):
            if next(read_records(file, offset), None) is None:
                _step_over_damage(file, offset, size)
            return False
        file.unlink()
    except FileNotFoundError:
        # Another worker has deleted it.
        return False
    JournalPart.objects.filter(name=file.name).update(deleted_at=timezone.now())
    logger.info("Journal %s is ingested and deleted", file.name)
    return True


def _step_over_damage(file: Path, offset: int, size: int) -> None:
    found = next_whole_record(file, offset)
    if found is None:
        advance(
            file, offset, size, problem=f"The last {size - offset} bytes, from {offset} on, are torn off or damaged."
        )
    else:
        advance(file, offset, found, problem=f"{found - offset} bytes from {offset} on are damaged and were skipped.")


def next_whole_record(file: Path, offset: int) -> int | None:
    """Where the first whole record behind a damaged one begins."""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for found in _PAYLOAD_START.finditer(content, offset + HEAD.size + 1):
            start = found.start() - HEAD.size
            if next(read_records(file, start), None) is not None:
                return start
    return None
