"""Tells, once per subscription and period, that most of a quota is used, and that all of it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from analytics.models import QuotaUse, QuotaWarning
from analytics.usage import limits_of
from events import names
from events.recording import record
from gateway.catalogue.call_limits import KILOBYTE
from gateway.configuration.snapshot import Quota
from policies.models import ProductPolicy
from subscriptions.models import Subscription

# In percent.
APPROACHING, REACHED = 80, 100
EVENTS = {APPROACHING: names.QUOTA_APPROACHING, REACHED: names.QUOTA_REACHED}


@dataclass(frozen=True, slots=True)
class Stand:
    """How much is used of a limit, in `unit`."""

    used: int
    quota: int
    unit: str

    @property
    def percent(self) -> int:
        return 100 * self.used // self.quota if self.quota else REACHED


def warn(now: datetime) -> int:
    """Record events for quotas that have passed a level since the last time; returns how many."""
    count = 0
    for product, quota in _quotas():
        for use, level, stand in _passed(product, quota, now):
            count += _warn(use, quota, level, stand)
    return count


def nearly_used(now: datetime, *, most: int) -> list[tuple[UUID, Stand]]:
    """Of which subscriptions most of a product's quota is used, the fullest first; some may have ended since."""
    found = {
        use.pk: max(_stands(use, quota), key=lambda stand: stand.percent)
        for product, quota in _quotas()
        for limit, column in ((quota.calls, "-calls"), (quota.kilobytes, "-bytes"))
        if limit is not None
        for use in _nearly_used(product, quota, now).order_by(column)[:most]
    }
    return sorted(found.items(), key=lambda one: -one[1].percent)[:most]


def _quotas() -> Iterator[tuple[int, Quota]]:
    """By product."""
    for product, limits in limits_of(set(ProductPolicy.objects.values_list("product_id", flat=True))).items():
        if limits.quota is not None:
            yield product, limits.quota


def _nearly_used(product: int, quota: Quota, now: datetime) -> QuerySet[QuotaUse]:
    """In the period that runs now."""
    uses = QuotaUse.objects.filter(_at_least(quota, APPROACHING), product_id=product)
    if quota.renewal_period_seconds:
        uses = uses.filter(period_start__gt=now - timedelta(seconds=quota.renewal_period_seconds))
    return uses


def _passed(product: int, quota: Quota, now: datetime) -> Iterator[tuple[QuotaUse, int, Stand]]:
    """Uses that have passed a level which was not told yet."""
    told = QuotaWarning.objects.filter(subscription_id=OuterRef("pk"), period_start=OuterRef("period_start"))
    uses: QuerySet[Any] = _nearly_used(product, quota, now).annotate(
        told=Subquery(told.order_by("-percent").values("percent")[:1])
    )
    for use in uses.filter(Q(told=None) | Q(told__lt=REACHED)).iterator(chunk_size=1000):
        stand = max(_stands(use, quota), key=lambda stand: stand.percent)
        level = REACHED if stand.percent >= REACHED else APPROACHING
        if use.told is None or use.told < level:
            yield use, level, stand


def _at_least(quota: Quota, percent: int) -> Q:
    """Of one of its two limits, rounded up to whole calls and bytes."""
    reached = Q(pk__in=[])
    if quota.calls is not None:
        reached |= Q(calls__gte=-(-quota.calls * percent // 100))
    if quota.kilobytes is not None:
        reached |= Q(bytes__gte=-(-quota.kilobytes * KILOBYTE * percent // 100))
    return reached


def _stands(use: QuotaUse, quota: Quota) -> Iterator[Stand]:
    if quota.calls is not None:
        yield Stand(use.calls, quota.calls, "calls")
    if quota.kilobytes is not None:
        yield Stand(use.bytes // KILOBYTE, quota.kilobytes, "kilobytes")


def _warn(use: QuotaUse, quota: Quota, level: int, stand: Stand) -> bool:
    """False where another worker was faster, or nobody can call by the subscription any more."""
    subscription = Subscription.objects.filter(pk=use.pk, state=Subscription.State.ACTIVE).first()
    if subscription is None:
        return False
    ends = timedelta(seconds=quota.renewal_period_seconds)
    with transaction.atomic():
        # The row is what makes it once.
        _, is_new = QuotaWarning.objects.get_or_create(
            subscription_id=use.pk, period_start=use.period_start, percent=level
        )
        if is_new:
            QuotaWarning.objects.filter(subscription_id=use.pk, period_start__lt=use.period_start).delete()
            record(
                EVENTS[level],
                subscription=subscription,
                owner=subscription.owner_id,
                team=subscription.team_id,
                product=subscription.product_id,
                percent=level,
                used=min(stand.used, stand.quota),
                quota=stand.quota,
                unit=stand.unit,
                resets_at=use.period_start + ends if ends else None,
            )
    return is_new
