"""Who still calls what is deprecated: from the roll-ups by day, which tell subscriptions and operations apart.

A period begins at a midnight of UTC (`uncalled.day_before`), so that the days hold all of it, and one query tells
callers apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from analytics.models import APIDay, CallKind, OperationDay, Rollup, UsageDay
from analytics.rollups import SUM_OF_CALLS
from apis.models import API, Operation
from subscriptions.models import Subscription

NOBODY = UUID(int=0)

Deprecated: TypeAlias = API | Operation


@dataclass(frozen=True, slots=True)
class Use:
    """Calls of a period; `subscriptions` and `users` are those that called, `last_called` a day of UTC."""

    calls: int = 0
    subscriptions: int = 0
    users: int = 0
    last_called: date | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """`subscription` is None for calls without one, and for what is gone; `id` is None for the former alone."""

    id: UUID | None
    subscription: Subscription | None
    calls: int
    last_called: date


def deprecated() -> list[Deprecated]:
    """All APIs and operations that are marked, what ends first before the others. Two queries."""
    found: list[Deprecated] = list(API.objects.filter(deprecated_at__isnull=False))
    found += Operation.objects.filter(deprecated_at__isnull=False).select_related("api")
    return sorted(found, key=_order)


def _order(row: Deprecated) -> tuple[bool, float, str, bool, int]:
    told = row.deprecation
    ends = told.sunset.timestamp() if told is not None and told.sunset is not None else 0.0
    api = row.api if isinstance(row, Operation) else row
    return not ends, ends, api.display_name, isinstance(row, Operation), row.pk


def uses(rows: Sequence[Deprecated], since: datetime) -> list[Use]:
    """In the same order; four queries at most."""
    apis = _uses(APIDay, "api_id", [row.pk for row in rows if isinstance(row, API)], since)
    operations = _uses(OperationDay, "operation_id", [row.pk for row in rows if isinstance(row, Operation)], since)
    return [(apis if isinstance(row, API) else operations).get(row.pk, Use()) for row in rows]


def _uses(table: type[Rollup], field: str, ids: Sequence[int], since: datetime) -> dict[int, Use]:
    """How many calls is in a table with nothing more to tell; who called, an index of those that tell callers apart."""
    if not ids:
        return {}
    found = _kinds(Q(**{f"{field}__in": ids}), since).values_list(field)
    counts = found.annotate(
        subscriptions=Count("subscription_id", distinct=True, filter=~Q(subscription_id=NOBODY)),
        users=Count("user_id", distinct=True, filter=~Q(user_id=0)),
    )
    callers = {pk: (subscriptions, users) for pk, subscriptions, users in counts}
    days = table._default_manager.filter(at__gte=since, **{f"kind__{field}__in": ids}).order_by()
    called = days.values_list(f"kind__{field}").annotate(calls=SUM_OF_CALLS, last=Max("at"))
    return {pk: Use(int(calls), *callers.get(pk, (0, 0)), _day(last)) for pk, calls, last in called}


def callers(row: Deprecated, since: datetime) -> QuerySet[Any, Any]:
    """Of one API or operation, by subscription, who calls most before the others; see `named`.

    After the first `count_of_callers`, those that have not called since then, with no calls.
    """
    # Summed by kind, which the index does by itself; a join would read each day's row.
    days = UsageDay.objects.filter(kind=OuterRef("pk"), at__gte=since).order_by().values("kind")
    calls = Coalesce(Subquery(days.annotate(calls=SUM_OF_CALLS).values("calls")), 0)
    by_subscription = CallKind.objects.filter(**{_field(row): row.pk}).order_by().values("subscription_id")
    return by_subscription.annotate(calls=Sum(calls)).order_by("-calls", "subscription_id")


def count_of_callers(row: Deprecated, since: datetime) -> int:
    """How many of `callers` have called."""
    kinds = _kinds(Q(**{_field(row): row.pk}), since)
    return kinds.values("subscription_id").distinct().count()


def _kinds(kinds: Q, since: datetime) -> QuerySet[CallKind]:
    """Those of which there were calls."""
    called = UsageDay.objects.filter(kind=OuterRef("pk"), at__gte=since)
    return CallKind.objects.filter(kinds, Exists(called)).order_by()


def _field(row: Deprecated) -> str:
    return "api_id" if isinstance(row, API) else "operation_id"


def named(row: Deprecated, since: datetime, found: Sequence[dict[str, Any]]) -> list[Caller]:
    """Some of `callers` that have called, with their subscriptions and when they called last; two queries."""
    ids = [one["subscription_id"] for one in found]
    kinds = CallKind.objects.filter(subscription_id__in=ids, **{_field(row): row.pk})
    days = UsageDay.objects.filter(at__gte=since, kind__in=kinds).order_by()
    last = dict(days.values_list("kind__subscription_id").annotate(Max("at")))
    rows = Subscription.objects.select_related("owner", "team", "product", "api").in_bulk(
        [pk for pk in ids if pk != NOBODY]
    )
    return [
        Caller(pk if pk != NOBODY else None, rows.get(pk), int(one["calls"]), _day(last[pk]))
        for pk, one in zip(ids, found, strict=True)
        # Somebody may have been erased meanwhile.
        if pk in last
    ]


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
