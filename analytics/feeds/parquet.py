"""Calls as Parquet files in a folder, by day of UTC, as warehouses read them: `date=2026-03-01/part-….parquet`.

A file is named for the range of calls that it is from, and appears whole under this name. One that is
there already is left as it is, so that after a crash no call is missing and none is there twice.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db.models.functions import TruncDate
from django.utils import timezone

from analytics import export
from analytics.export import Column, Format, Kind, Table
from analytics.feeds.ranges import Range, next_range, note_failure, note_sent, parquet_feed

CALLS_IN_A_FILE = 500_000
COLUMNS = (
    Column("at", Kind.MOMENT),
    Column("request_id"),
    Column("gateway"),
    Column("api_id", Kind.INTEGER),
    Column("operation_id", Kind.INTEGER),
    Column("product_id", Kind.INTEGER),
    Column("subscription_id"),
    Column("user_id", Kind.INTEGER),
    Column("method"),
    Column("url"),
    Column("caller_address"),
    Column("response_code", Kind.INTEGER),
    Column("backend_code", Kind.INTEGER),
    Column("total_ms", Kind.REAL),
    Column("backend_ms", Kind.REAL),
    Column("request_bytes", Kind.INTEGER),
    Column("response_bytes", Kind.INTEGER),
    Column("error_source"),
    Column("error_reason"),
    Column("country"),
    Column("region"),
    Column("key_prefix"),
    Column("cause", Kind.DOCUMENT),
)
"""Named as the fields of Call that they are: all but headers, which are of use for days and not for years."""


def export_calls(folder: Path, *, calls_in_a_file: int = CALLS_IN_A_FILE) -> Iterator[Path]:
    """Write what the folder does not have yet, and tell each file when it is there. Raises OSError."""
    folder = folder.resolve()
    _clear(folder)
    while (some := next_range(parquet_feed(folder), calls_in_a_file)) is not None:
        try:
            for day in some.calls.order_by().values_list(TruncDate("at", tzinfo=UTC), flat=True).distinct():
                yield _write(folder, some, day)
        except OSError as error:
            note_failure(some, str(error), timezone.now())
            raise
        note_sent(some)


def _clear(folder: Path) -> None:
    """Delete what a crash has left unfinished. What another process may still be writing is younger."""
    before = (timezone.now() - timedelta(days=1)).timestamp()
    for unfinished in folder.glob("date=*/.part-*"):
        with suppress(FileNotFoundError):
            if unfinished.stat().st_mtime < before:
                unfinished.unlink()


def _write(folder: Path, some: Range, day: date) -> Path:
    file = folder / f"date={day.isoformat()}" / f"part-{some.first:012}-{some.last:012}.parquet"
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    # Its name begins with a dot, which readers of such folders leave out.
    unfinished = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        with unfinished.open("xb") as stream:
            stream.writelines(export.written(Table(file.stem, COLUMNS, _rows(some, day)), Format.PARQUET))
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    _sync(file.parent)
    return file


def _rows(some: Range, day: date) -> Iterator[tuple[Any, ...]]:
    start = datetime.combine(day, time(), UTC)
    calls = some.calls.filter(at__gte=start, at__lt=start + timedelta(days=1)).order_by("pk")
    return calls.values_list(*(column.name for column in COLUMNS)).iterator(chunk_size=export.ROW_GROUP_ROWS)


def _sync(folder: Path) -> None:
    """So that a power failure does not take the name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
