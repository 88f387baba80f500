"""Quota counts and rate windows that survive a restart and a crash.

Each record in the journal says where its quota stood after the call, so the counts of a gateway are
the greatest ones in all its parts; and when a rate limit counted it, which tells the call from
others. The checkpoint `<gateway>.checkpoint` holds counts and times as they
were when a part was finished, and the sequence from which parts have to be read on top of it.
Reading a part that the checkpoint already covers does no harm, so it need not be atomic with
anything; it is replaced in one step. A gateway without a readable checkpoint reads all its parts.

What is lost by a crash: calls that were under way, whose callers saw no end of the answer.
"""

import logging
import os
from collections import defaultdict
from pathlib import Path
from zlib import crc32

import msgspec

from gateway.journal_parts import Part, parts, read_records
from gateway.limits import Counted, Counters, QuotaCount

MAGIC = b"APIMC1\r\n"

log = logging.getLogger(__name__)


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """`next_part` is the sequence of the first part that is not covered."""

    next_part: int
    quotas: list[tuple[Counted, QuotaCount]]
    rates: list[tuple[Counted, list[float]]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def checkpoint_file(directory: Path, gateway: str) -> Path:
    return directory / f"{gateway}.checkpoint"


def write(file: Path, checkpoint: Checkpoint) -> None:
    """Raises OSError; the old checkpoint stays then."""
    payload = _encode(checkpoint)
    fresh = file.with_suffix(".checkpoint-new")
    with fresh.open("wb") as stream:
        stream.write(MAGIC + crc32(payload).to_bytes(4, "little") + payload)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def read(file: Path) -> Checkpoint | None:
    """None where there is none, or none that is whole; the latter is logged."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    head, payload = content[: len(MAGIC) + 4], content[len(MAGIC) + 4 :]
    if head == MAGIC + crc32(payload).to_bytes(4, "little"):
        try:
            return _decode(payload)
        except msgspec.MsgspecError:
            pass
    log.error("checkpoint_broken file=%s: reading all parts of the journal instead", file.name)
    return None


def recover(directory: Path, gateway: str, counters: Counters, now: float) -> int:
    """Restore the counts of an earlier run. Gives the first sequence that is free."""
    checkpoint = read(checkpoint_file(directory, gateway)) or Checkpoint(0, [])
    counters.restore(checkpoint.quotas)
    counters.restore_rates(dict(checkpoint.rates))
    free = checkpoint.next_part
    rates: defaultdict[Counted, list[float]] = defaultdict(list)
    for part in parts(directory):
        if part.gateway == gateway and part.sequence >= checkpoint.next_part:
            _replay(part, counters, rates, now)
            free = max(free, part.sequence + 1)
    counters.restore_rates(rates)
    return free


def _replay(part: Part, counters: Counters, rates: defaultdict[Counted, list[float]], now: float) -> None:
    for record, _ in read_records(part.file):
        if record.product is None or record.subscription is None:
            continue
        counted = (record.product, record.subscription)
        if record.rate_period_seconds is not None and record.at + record.rate_period_seconds > now:
            rates[counted].append(record.at)
        if record.quota_period_start is not None and record.quota_calls is not None:
            counters.restore([(counted, (record.quota_period_start, record.quota_calls))])


def deletable(directory: Path) -> list[Path]:
    """Parts that no gateway needs any more, oldest first: once ingested, they can be deleted.

    The parts of a gateway that was killed and never came back are not among them.
    """
    found = parts(directory)
    covered = {gateway: read(checkpoint_file(directory, gateway)) for gateway in {part.gateway for part in found}}
    return [
        part.file
        for part in found
        if (checkpoint := covered[part.gateway]) is not None and part.sequence < checkpoint.next_part
    ]
