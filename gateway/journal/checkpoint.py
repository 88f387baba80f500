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
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from gateway.catalogue.call_limits import Scope
from gateway.journal.locks import is_being_written, lock_name
from gateway.journal.parts import Part, parts, read_records
from gateway.journal.record import CallRecord, InnerQuotaStand, InnerRatePeriod
from gateway.limits.counters import Counters, Stands, Windows
from gateway.replacing import replace_file

# Longer than any restart takes.
ABANDONED_SECONDS = 600.0
MAGIC = b"APIMC1\r\n"

log = logging.getLogger(__name__)

Recorded = dict[Scope, dict[bytes, list[float]]]
"""The times of calls in records, as they are read."""


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """`next_part` is the sequence of the first part that is not covered.

    `product_quotas` and `product_rates`, by product and subscription, are what version 0.1 wrote.
    """

    next_part: int
    product_quotas: list[tuple[tuple[int, bytes], tuple[float, int]]] = []
    product_rates: list[tuple[tuple[int, bytes], list[float]]] = []
    quotas: Stands = {}
    rates: Windows = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def checkpoint_file(directory: Path, gateway: str) -> Path:
    return directory / f"{gateway}.checkpoint"


def write(file: Path, checkpoint: Checkpoint) -> None:
    """Raises OSError; the old checkpoint stays then."""
    payload = _encode(checkpoint)
    replace_file(file, (MAGIC, crc32(payload).to_bytes(4, "little"), payload), mode=0o640)


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
    checkpoint = read(checkpoint_file(directory, gateway)) or Checkpoint(0)
    for (product, subscription), (start, calls) in checkpoint.product_quotas:
        counters.restore({(product, 0, 0): {subscription: (start, calls, 0)}})
    for (product, subscription), times in checkpoint.product_rates:
        counters.restore_rates({(product, 0, 0): {subscription: times}})
    counters.restore(checkpoint.quotas)
    counters.restore_rates(checkpoint.rates)
    free = checkpoint.next_part
    rates: Recorded = {}
    for part in parts(directory):
        if part.gateway == gateway and part.sequence >= checkpoint.next_part:
            _replay(part, counters, rates, now)
            free = max(free, part.sequence + 1)
    counters.restore_rates(rates)
    return free


def _replay(part: Part, counters: Counters, rates: Recorded, now: float) -> None:
    for record, _ in read_records(part.file):
        product, subscription = record.product, record.subscription
        if product is None or subscription is None:
            continue
        for api, operation, period in _rate_periods(record):
            if record.at + period > now:
                windows = rates.setdefault((product, api, operation), {})
                windows.setdefault(subscription, []).append(record.at)
        for api, operation, start, calls, used in _quota_stands(record):
            counters.restore({(product, api, operation): {subscription: (start, calls, used)}})


def _rate_periods(record: CallRecord) -> Iterator[InnerRatePeriod]:
    if record.rate_period_seconds is not None:
        yield 0, 0, record.rate_period_seconds
    yield from record.inner_rates


def _quota_stands(record: CallRecord) -> Iterator[InnerQuotaStand]:
    if record.quota_period_start is not None and record.quota_calls is not None:
        yield 0, 0, record.quota_period_start, record.quota_calls, record.quota_bytes
    yield from record.inner_quotas


def deletable(directory: Path) -> list[Path]:
    """Parts that no gateway writes or needs any more, oldest first: once ingested, they can be deleted.

    Nobody writes a part whose lock is free, and nobody needs one that a checkpoint covers. Raises OSError.
    """
    found = parts(directory)
    covered = {gateway: read(checkpoint_file(directory, gateway)) for gateway in {part.gateway for part in found}}
    return [
        part.file
        for part in found
        if (checkpoint := covered[part.gateway]) is not None
        and part.sequence < checkpoint.next_part
        and not is_being_written(part.file)
    ]


def close_abandoned(directory: Path, now: float) -> list[str]:
    """Write the last checkpoint of gateways that were killed and have not come back; gives their names.

    It covers all parts, so that they can be deleted, and keeps the counts in case the gateway does
    come back. One is taken for gone when its name is free and no part of it has been written to for
    ABANDONED_SECONDS. Raises OSError.
    """
    latest: dict[str, Part] = {part.gateway: part for part in parts(directory)}
    return [gateway for gateway, part in latest.items() if _close_abandoned(directory, part, now)]


def _close_abandoned(directory: Path, latest: Part, now: float) -> bool:
    file = checkpoint_file(directory, latest.gateway)
    checkpoint = read(file)
    if checkpoint is not None and latest.sequence < checkpoint.next_part:
        return False
    if latest.file.stat().st_mtime + ABANDONED_SECONDS > now or is_being_written(latest.file):
        return False
    lock = lock_name(directory, latest.gateway)
    if lock is None:
        return False
    try:
        counters = Counters()
        free = recover(directory, latest.gateway, counters, now)
        write(file, Checkpoint(free, quotas=counters.quotas(), rates=counters.rates()))
    finally:
        os.close(lock)
    return True
