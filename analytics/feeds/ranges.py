"""Which calls a feed takes next: all that are stored, in the order in which they were, each in one range.

A range of primary keys is reserved before its calls leave, and taken off when they have left. A crash in
between leaves the reservation, so that the next run sends the same calls under the same name, and the
receiver can tell. Calls that come late have later keys than what was sent, and go with the rest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from analytics import rows
from analytics.models import Call, CallFeed

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Range:
    """Calls with keys from `first` to `last`, of which some may be gone."""

    feed: str
    first: int
    last: int

    @property
    def calls(self) -> QuerySet[Call]:
        return Call.objects.filter(pk__gte=self.first, pk__lte=self.last)


def parquet_feed(folder: Path) -> str:
    """What the feed into an absolute folder is called."""
    return f"parquet {folder}"[:200]


def otlp_feed(endpoint: str) -> str:
    """What the feed to the collector of this URL is called."""
    return f"otlp {endpoint}"[:200]


def next_range(feed: str, most: int) -> Range | None:
    """What was reserved, or else reserve so many calls at most; None if there are none."""
    CallFeed.objects.bulk_create([CallFeed(name=feed)], ignore_conflicts=True)
    row = CallFeed.objects.get(name=feed)
    if row.reserved_to == row.sent_to:
        last = _last_of(row.sent_to, most)
        if last is None:
            return None
        CallFeed.objects.filter(pk=row.pk, sent_to=row.sent_to, reserved_to=row.sent_to).update(reserved_to=last)
        row.refresh_from_db()
        if row.reserved_to == row.sent_to:
            return None
    return Range(feed, row.sent_to + 1, row.reserved_to)


def note_sent(sent: Range) -> bool:
    """Take a range off; False where somebody else has."""
    feed = CallFeed.objects.filter(name=sent.feed, sent_to=sent.first - 1, reserved_to=sent.last)
    return bool(feed.update(sent_to=sent.last, sent_at=timezone.now(), failures=0, next_attempt_at=None, last_error=""))


def note_failure(failed: Range, error: str, now: datetime, *, wait: timedelta | None = None) -> None:
    """Let the feed rest: for as long as the receiver says, or twice as long after each failure."""
    row = CallFeed.objects.get(name=failed.feed)
    wait = min(FIRST_WAIT * 2 ** min(row.failures, 20), LONGEST_WAIT) if wait is None else min(wait, LONGEST_WAIT)
    CallFeed.objects.filter(pk=row.pk).update(
        failures=F("failures") + 1, next_attempt_at=now + wait, last_error=error[:500]
    )


def is_resting(feed: str, now: datetime) -> bool:
    return CallFeed.objects.filter(name=feed, next_attempt_at__gt=now).exists()


def _last_of(sent_to: int, most: int) -> int | None:
    """The last key of the next range."""
    with transaction.atomic():
        rows.wait_for_calls_under_way()
        last = Call.objects.aggregate(last=Max("pk"))["last"]
    if last is None or last <= sent_to:
        return None
    full = Call.objects.filter(pk__gt=sent_to, pk__lte=last).order_by("pk").values_list("pk", flat=True)
    return full[most - 1 : most].first() or last
