"""Who still calls what is deprecated: from the roll-ups by day, which tell subscriptions and operations apart.

A period begins at a midnight of UTC (`uncalled.day_before`), so that the days hold all of it, and one query tells
callers apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from analytics.models import CallKind, UsageDay
from apis.models import API, Operation
from subscriptions.models import Subscription

NOBODY = UUID(int=0)
_CALLS = Sum(F("success") + F("blocked") + F("failed") + F("other"))

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
    """In the same order; two queries."""
    apis = _uses("api_id", [row.pk for row in rows if isinstance(row, API)], since)
    operations = _uses("operation_id", [row.pk for row in rows if isinstance(row, Operation)], since)
    return [(apis if isinstance(row, API) else operations).get(row.pk, Use()) for row in rows]


def _uses(field: str, ids: Sequence[int], since: datetime) -> dict[int, Use]:
    if not ids:
        return {}
    found = _days(Q(**{f"{field}__in": ids}), since).values_list(f"kind__{field}")
    counted = found.annotate(
        calls=_CALLS,
        subscriptions=Count("kind__subscription_id", distinct=True, filter=~Q(kind__subscription_id=NOBODY)),
        users=Count("kind__user_id", distinct=True, filter=~Q(kind__user_id=0)),
        last=Max("at"),
    )
    return {pk: Use(int(calls), subscriptions, users, _day(last)) for pk, calls, subscriptions, users, last in counted}


def callers(row: Deprecated, since: datetime) -> QuerySet[Any, Any]:
    """Of one API or operation, by subscription, who calls most before the others; see `named`."""
    field = "api_id" if isinstance(row, API) else "operation_id"
    by_subscription = _days(Q(**{field: row.pk}), since).values("kind__subscription_id")
    return by_subscription.annotate(calls=_CALLS, last=Max("at")).order_by("-calls", "kind__subscription_id")


def named(found: Sequence[dict[str, Any]]) -> list[Caller]:
    """Some of `callers`, with their subscriptions; one query."""
    ids = [row["kind__subscription_id"] for row in found]
    rows = Subscription.objects.select_related("owner", "team", "product", "api").in_bulk(
        [pk for pk in ids if pk != NOBODY]
    )
    return [
        Caller(pk if pk != NOBODY else None, rows.get(pk), int(row["calls"]), _day(row["last"]))
        for pk, row in zip(ids, found, strict=True)
    ]


def _days(kinds: Q, since: datetime) -> QuerySet[UsageDay]:
    return UsageDay.objects.filter(at__gte=since, kind__in=CallKind.objects.filter(kinds)).order_by()


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
