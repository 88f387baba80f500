"""From the gateway's journal into the database, each record once.

A batch of records is stored in one transaction, which begins by moving the part's offset from where
the batch starts to where it ends. Two workers with the same batch cannot both move it, and a crash
leaves both the offset and the rows, or neither.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from analytics import countries, partitions, records, rows, sums
from analytics.lag import ingested_offsets
from analytics.models import JournalPart, PendingCalls
from analytics.privacy import kept_address, kept_headers
from gateway.http.masking import Pairs
from gateway.journal.lag import note_ingested
from gateway.journal.parts import Part, parts, read_records
from gateway.journal.record import CallRecord

BATCH_RECORDS = 5000
BATCH_BYTES = 8 * 2**20
BATCHES_PER_RUN = 40

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of a part that follow one another; `ends` are the offsets behind each."""

    start: int
    records: Sequence[CallRecord]
    ends: Sequence[int]


def ingest(directory: Path, *, batches: int = BATCHES_PER_RUN) -> int:
    """Store what is new in the journal, at most so many batches; returns the number of records."""
    country_of = countries.current().of
    days = None
    stored = 0
    for part, batch in islice(_new_batches(directory), batches):
        if settings.RAW_CALL_DAYS and partitions.are_used():
            days = days or partitions.Days(datetime.now(UTC).date(), settings.RAW_CALL_DAYS)
            days.make_for(record.at for record in batch.records)
        if _store(part, batch, country_of):
            stored += len(batch.records)
    if stored:
        _tell_gateways(directory)
    return stored


def _tell_gateways(directory: Path) -> None:
    try:
        note_ingested(directory, ingested_offsets(directory))
    except OSError as error:
        logger.warning("Gateways cannot be told how far the ingest has come: %s", error)


def _new_batches(directory: Path) -> Iterator[tuple[Part, Batch]]:
    offsets = ingested_offsets(directory)
    for part in parts(directory):
        offset = offsets.get(part.file.name, 0)
        try:
            if part.file.stat().st_size > offset:
                yield from ((part, batch) for batch in _batches(part.file, offset))
        except FileNotFoundError:
            # Another worker has ingested all of it and deleted it.
            continue


def _batches(file: Path, start: int) -> Iterator[Batch]:
    batch: list[CallRecord] = []
    ends: list[int] = []
    for record, end in read_records(file, start):
        batch.append(record)
        ends.append(end)
        if len(batch) >= BATCH_RECORDS or end - start >= BATCH_BYTES:
            yield Batch(start, batch, ends)
            batch, ends, start = [], [], end
    if batch:
        yield Batch(start, batch, ends)


def _store(part: Part, batch: Batch, country_of: Callable[[str], str]) -> bool:
    """Store a batch, without the records that the database cannot take.

    Returns False where another worker was faster. Halving finds the bad records in a good batch.
    """
    try:
        with transaction.atomic():
            if not advance(part.file, batch.start, batch.ends[-1]):
                return False
            usage = records.usage_of(batch.records, _kept_address)
            rows.add_quarters(usage.quarters)
            rows.raise_quotas(usage.quotas)
            rows.raise_inner_quotas(usage.inner_quotas)
            rows.note_first_calls(usage.first_calls)
            rows.note_key_uses(usage.keys)
            origins = [country_of(record.caller_address) for record in batch.records]
            PendingCalls.objects.create(calls=sums.encode(list(map(sums.brief, batch.records, origins))))
            if settings.RAW_CALL_DAYS:
                rows.insert_calls(
                    [
                        records.call(record, part.gateway, country, _kept_address, _kept_headers)
                        for record, country in zip(batch.records, origins, strict=True)
                    ]
                )
        return True
    except (DataError, IntegrityError, ValueError, OverflowError) as error:
        if len(batch.records) == 1:
            reason = f"The record at {batch.start} cannot be stored: {type(error).__name__}: {error}"
            return advance(part.file, batch.start, batch.ends[-1], problem=reason)
    half = len(batch.records) // 2
    first = Batch(batch.start, batch.records[:half], batch.ends[:half])
    second = Batch(batch.ends[half - 1], batch.records[half:], batch.ends[half:])
    return _store(part, first, country_of) and _store(part, second, country_of)


def _kept_address(address: str) -> str:
    return kept_address(address, settings.CALLER_ADDRESSES)


def _kept_headers(headers: Pairs) -> Pairs:
    return kept_headers(headers, settings.CALLER_ADDRESSES)


def advance(file: Path, start: int, end: int, *, problem: str = "") -> bool:
    """Move a part's offset, unless it is no longer where the caller saw it."""
    if start == 0:
        JournalPart.objects.bulk_create([JournalPart(name=file.name)], ignore_conflicts=True)
    part = JournalPart.objects.filter(name=file.name, offset=start)
    if not problem:
        return bool(part.update(offset=end, updated_at=timezone.now()))
    problem = problem.replace("\0", "")[:500]
    moved = part.update(offset=end, updated_at=timezone.now(), problems=F("problems") + 1, last_problem=problem)
    if moved:
        logger.error("Journal %s: %s", file.name, problem)
    return bool(moved)
