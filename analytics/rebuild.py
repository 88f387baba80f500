"""Sums made anew from the rows of single calls, where some roll-up of a day tells of fewer calls, or of other classes.

So it is after an upgrade from a version that knew no roll-ups, or fewer of them, or took calls without
an answer for successful ones. Where they tell of more calls they are left: rows of calls go sooner than
sums do.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, QuerySet, Subquery, Sum

from analytics import rollups, sums
from analytics.call_classes import SUCCESS, call_class
from analytics.call_search import in_class
from analytics.models import Call, FirstCall, PendingCalls
from analytics.records import LIMITS, QUARTER_SECONDS
from analytics.sums import NOBODY, BriefCall, Kind, Sums

CALLS_AT_ONCE = 50_000
_DAY = timedelta(days=1)
_CLASSES = ("success", "blocked", "failed", "other")


def days_with_calls() -> Iterator[date]:
    """Of UTC, the first one first."""
    ends = Call.objects.aggregate(first=Min("at"), last=Max("at"))
    if ends["first"] is None:
        return
    day, last = ends["first"].astimezone(UTC).date(), ends["last"].astimezone(UTC).date()
    while day <= last:
        yield day
        following = Call.objects.filter(at__gte=_start(day) + _DAY).aggregate(at=Min("at"))["at"]
        if following is None:
            return
        day = following.astimezone(UTC).date()


def rebuild(day: date) -> int:
    """Returns the number of calls that are in the day's roll-ups anew; 0 where they are left. Safe to repeat.

    The ingest waits meanwhile.
    """
    start = _start(day)
    with transaction.atomic():
        _keep_ingest_waiting()
        while rollups.settle():
            pass
        calls = Call.objects.filter(at__gte=start, at__lt=start + _DAY)
        classes = _classes(calls)
        of_day = [grain.model._default_manager.filter(at__gte=start, at__lt=start + _DAY) for grain in rollups.GRAINS]
        told = [_classes_told(rows) for rows in of_day]
        if all(one == classes for one in told) or any(sum(one) > sum(classes) for one in told):
            return 0
        for rows in of_day:
            rows.delete()
        rollups.add(_sums(calls))
    return sum(classes)


def _classes(calls: QuerySet[Call]) -> list[int]:
    """How many are SUCCESS, BLOCKED, FAILED and OTHER."""
    classes = [0] * len(_CLASSES)
    for code, count in calls.order_by().values_list("response_code").annotate(Count("pk")):
        classes[call_class(code)] += count
    return classes


def _classes_told(rows: QuerySet[Any]) -> list[int]:
    told = rows.aggregate(**{name: Sum(name, default=0) for name in _CLASSES})
    return [told[name] for name in _CLASSES]


def correct_first_successes() -> int:
    """Of subscriptions whose first success is a call that was none; returns of how many. Safe to repeat.

    Calls that came later are kept longer, so the earliest success among the rows is the first one.
    """
    of_subscription = Call.objects.filter(subscription_id=OuterRef("pk"))
    at_the_time, succeeded = of_subscription.filter(at=OuterRef("succeeded_at")), in_class(SUCCESS)
    first = of_subscription.filter(succeeded).order_by("at").values("at")[:1]
    with transaction.atomic():
        _keep_ingest_waiting()
        wrong = FirstCall.objects.filter(Exists(at_the_time), ~Exists(at_the_time.filter(succeeded)))
        return wrong.update(succeeded_at=Subquery(first))


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _keep_ingest_waiting() -> None:
    """Until the transaction ends, so that rows of calls and calls that wait for the roll-ups tell of the same ones."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {PendingCalls._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")


def _sums(calls: QuerySet[Call]) -> dict[tuple[int, Kind], Sums]:
    found: defaultdict[tuple[int, Kind], Sums] = defaultdict(Sums)
    briefs = map(_brief, calls.order_by().iterator(chunk_size=5000))
    while some := list(islice(briefs, CALLS_AT_ONCE)):
        for key, line in sums.of(some).items():
            found[key].add(line)
    return found


def _brief(call: Call) -> BriefCall:
    return (
        int(call.at.timestamp() // QUARTER_SECONDS),
        (
            call.subscription_id.bytes if call.subscription_id is not None else NOBODY,
            call.api_id or 0,
            call.operation_id or 0,
            call.product_id or 0,
            call.user_id or 0,
            call.country,
        ),
        call.response_code,
        call.error_source in LIMITS,
        call.request_bytes,
        call.response_bytes,
        _microseconds(call.total_ms),
        _microseconds(call.backend_ms) if call.backend_ms is not None else None,
    )


def _microseconds(milliseconds: float) -> int:
    """As `sums.brief` has them: whole ones, though a floating-point number may be a little less."""
    return max(int(milliseconds * 1000 + 0.001), 0)
