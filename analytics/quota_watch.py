"""Tells, once for each quota and period, that most of it is used, and that all of it is."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db import transaction

from analytics import quotas
from analytics.models import QuotaWarning
from analytics.quotas import Stand, Use
from events import names
from events.recording import record
from subscriptions.models import Subscription

# In percent.
APPROACHING, REACHED = 80, 100
EVENTS = {APPROACHING: names.QUOTA_APPROACHING, REACHED: names.QUOTA_REACHED}
_AT_ONCE = 1000

_Period: TypeAlias = tuple[UUID, int, int, datetime | None]
"""Subscription, API and operation, and when the period began."""


def warn(now: datetime) -> int:
    """Record events for quotas that have passed a level since the last time; returns how many."""
    found = quotas.rules()
    near = quotas.uses(found, Subscription.objects.all(), now, least=APPROACHING)[:]
    return sum(map(_warn, quotas.stands(_untold(near), found, now)))


def _untold(near: Collection[Use]) -> Iterator[Use]:
    """Those that have passed a level which was not told yet."""
    rows = list(near)
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        told = _told(some)
        yield from (use for use in some if told.get(_period(use), 0) < _level(use))


def _told(some: Collection[Use]) -> dict[_Period, int]:
    warnings = QuotaWarning.objects.filter(subscription_id__in={use.subscription for use in some})
    levels = warnings.order_by("percent").values_list(
        "subscription_id", "api_id", "operation_id", "period_start", "percent"
    )
    # The greatest level of each is the last one.
    return {tuple(period): percent for *period, percent in levels}  # type: ignore[misc]


def _period(use: Use) -> _Period:
    return use.subscription, use.api, use.operation, use.period_start


def _level(use: Use) -> int:
    return REACHED if use.percent >= REACHED else APPROACHING


def _warn(stand: Stand) -> bool:
    """False where another worker was faster, or nobody can call by the subscription any more."""
    use, subscription, part, level = stand.use, stand.subscription, stand.fullest, _level(stand.use)
    if subscription.state != Subscription.State.ACTIVE:
        return False
    quota: dict[str, Any] = {"subscription_id": use.subscription, "api_id": use.api, "operation_id": use.operation}
    with transaction.atomic():
        # The row is what makes it once.
        _, is_new = QuotaWarning.objects.get_or_create(**quota | {"period_start": use.period_start, "percent": level})
        if is_new:
            QuotaWarning.objects.filter(**quota | {"period_start__lt": use.period_start}).delete()
            record(
                EVENTS[level],
                subscription=subscription,
                owner=subscription.owner_id,
                team=subscription.team_id,
                product=subscription.product_id,
                percent=level,
                used=min(part.used, part.limit),
                quota=part.limit,
                unit=part.unit,
                resets_at=stand.refills_at,
                **_about(use),
            )
    return is_new


def _about(use: Use) -> dict[str, Any]:
    """The API and the operation, where it is not all of the product."""
    named = {"api": use.api, "operation": use.operation}
    return {name: pk for name, pk in named.items() if pk}
