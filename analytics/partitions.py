"""The calls of each day (UTC) in a partition of their own, on PostgreSQL: old ones go at once, however many they are.

Days are made ahead, and for calls that come late. What belongs to no such day - gateways' clocks may
be anywhere - is in the partition OTHER. Calls from before there were partitions are in one that is
named for its end. Names tell which days there are.

Whoever makes or drops a partition holds an advisory lock, and waits for no reader for longer than
LOCK_TIMEOUT, since everybody else would wait behind him. What did not work is tried again.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

TABLE = "analytics_call"
OTHER = f"{TABLE}_other"
DAYS_AHEAD = 7
LOCK_TIMEOUT = "2s"
DAY_SECONDS = 24 * 3600
_LOCK = 0x43414C4C
_DAY = timedelta(days=1)
_NAME = re.compile(rf"{TABLE}_(?P<before>until_)?(?P<day>\d{{8}})")

logger = logging.getLogger(__name__)


class Partition(NamedTuple):
    """`start` is None where it has none."""

    name: str
    start: date | None
    end: date


def are_used() -> bool:
    return connection.vendor == "postgresql"


def existing() -> list[Partition]:
    """All but OTHER."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass",
            [TABLE],
        )
        names = [_NAME.fullmatch(name) for (name,) in cursor.fetchall()]
    return [_partition(name) for name in names if name is not None]


def _partition(name: re.Match[str]) -> Partition:
    day = datetime.strptime(name["day"], "%Y%m%d").replace(tzinfo=UTC).date()
    return Partition(name[0], None, day) if name["before"] else Partition(name[0], day, day + _DAY)


class Days:
    """The days for which calls are about to be stored: it makes their partitions, if they are within the kept days."""

    def __init__(self, today: date, kept_days: int) -> None:
        self._first, self._last = today - timedelta(days=kept_days), today + timedelta(days=DAYS_AHEAD)
        self._existing = existing()

    def make_for(self, moments: Iterable[float]) -> None:
        """For Unix times; odd ones have no day."""
        first, last = (_days_since_1970(day) for day in (self._first, self._last))
        numbers = {number for number in {moment // DAY_SECONDS for moment in moments} if first <= number <= last}
        self.make(date(1970, 1, 1) + timedelta(days=number) for number in numbers)

    def make(self, days: Iterable[date]) -> None:
        for day in sorted(days):
            if not _is_covered(day, self._existing) and make(day):
                self._existing = existing()

    def make_ahead(self) -> None:
        self.make(self._last - timedelta(days=number) for number in range(DAYS_AHEAD + 1))


def _days_since_1970(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _is_covered(day: date, partitions: Iterable[Partition]) -> bool:
    return any((one.start is None or one.start <= day) and day < one.end for one in partitions)


def make(day: date) -> bool:
    """Make the partition of a day, with what OTHER has of it; False where that has to wait."""
    name, start, end = f"{TABLE}_{day:%Y%m%d}", f"{day} 00:00:00+00", f"{day + _DAY} 00:00:00+00"
    try:
        with _changing() as cursor:
            if _is_covered(day, existing()):
                return True
            # Until it is attached, nobody may add to OTHER what belongs here.
            cursor.execute(f"LOCK TABLE {OTHER} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            cursor.execute(
                f"WITH moved AS (DELETE FROM {OTHER} WHERE at >= %s AND at < %s RETURNING *) "  # noqa: S608
                f"INSERT INTO {name} SELECT * FROM moved",
                [start, end],
            )
            cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')")
    except OperationalError as error:
        logger.warning("The partition %s could not be made yet: %s", name, error)
        return False
    return True


def drop_before(day: date) -> list[str]:
    """Drop the partitions that hold nothing from that day on; their names."""
    dropped = []
    for partition in existing():
        if partition.end > day:
            continue
        try:
            with _changing() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {partition.name}")
        except OperationalError as error:
            logger.warning("The partition %s could not be dropped yet: %s", partition.name, error)
        else:
            dropped.append(partition.name)
    return dropped


@contextmanager
def _changing() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield cursor
