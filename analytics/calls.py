"""The rows of single calls, which are kept for some days only."""

from datetime import datetime, timedelta

from analytics.models import Call

BATCH = 10_000


def prune(now: datetime, *, days: int, batches: int = 100) -> int:
    """Delete calls older than so many days, in transactions of bounded size; returns how many."""
    old = Call.objects.filter(at__lt=now - timedelta(days=days)).order_by("at")
    deleted = 0
    for _ in range(batches):
        count, _ = Call.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()
        deleted += count
        if count < BATCH:
            break
    return deleted
