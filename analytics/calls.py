"""The rows of single calls, which are kept for some days only."""

from datetime import UTC, datetime, timedelta

from analytics import partitions
from analytics.models import Call

BATCH = 10_000


def prune(now: datetime, *, days: int, batches: int = 100) -> int:
    """Delete calls older than so many days, in transactions of bounded size; returns how many.

    Where each day has a partition, it goes with its last call, and what is deleted one by one is the rest.
    """
    before = now.astimezone(UTC) - timedelta(days=days)
    if partitions.are_used():
        partitions.drop_before(before.date())
        if days:
            before = before.replace(hour=0, minute=0, second=0, microsecond=0)
    old = Call.objects.filter(at__lt=before)
    deleted = 0
    for _ in range(batches):
        count, _ = old.filter(pk__in=old.order_by("at").values("pk")[:BATCH]).delete()
        deleted += count
        if count < BATCH:
            break
    return deleted
