"""How far the quotas of subscriptions are used, in the periods that run now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, ExpressionWrapper, F, FloatField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest

from analytics.models import QuotaUse
from analytics.usage import limits_of
from gateway.catalogue.call_limits import KILOBYTE
from gateway.configuration.snapshot import Quota
from policies.models import ProductPolicy
from subscriptions.models import Subscription

NEARLY = 80.0
ALL_USED = 100.0


@dataclass(frozen=True, slots=True)
class Part:
    """One of the limits of a quota; kilobytes are rounded down, as far as they are used."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Stand:
    """`refills_at` is None where the quota is never renewed, or no period runs: the next call begins one."""

    subscription: Subscription
    percent: float
    calls: Part | None
    kilobytes: Part | None
    renewal_period_seconds: int
    refills_at: datetime | None

    @property
    def is_used_up(self) -> bool:
        return self.percent >= ALL_USED

    @property
    def is_nearly_used(self) -> bool:
        return NEARLY <= self.percent < ALL_USED


def quotas() -> dict[int, Quota]:
    """Of each product that has one."""
    limits = limits_of(set(ProductPolicy.objects.values_list("product_id", flat=True)))
    return {pk: values.quota for pk, values in limits.items() if pk is not None and values.quota is not None}


def with_percent(found: Mapping[int, Quota], now: datetime) -> QuerySet[Any]:
    """Active subscriptions to products with these quotas, annotated with how much of it is used.

    `percent` is that of calls or of kilobytes, whichever is more, and may be above 100.
    """
    subscriptions: QuerySet[Any] = Subscription.objects.filter(state=Subscription.State.ACTIVE, product__in=found)
    uses = QuotaUse.objects.filter(pk=OuterRef("pk"), product_id=OuterRef("product_id"))
    percent = Subquery(uses.annotate(percent=_percent(found, now)).values("percent"), output_field=FloatField())
    annotated: QuerySet[Any] = subscriptions.annotate(percent=Coalesce(percent, Value(0.0), output_field=FloatField()))
    return annotated


def _percent(found: Mapping[int, Quota], now: datetime) -> Case:
    return Case(
        *(_when(product, quota, now) for product, quota in found.items()),
        default=Value(0.0),
        output_field=FloatField(),
    )


def _when(product: int, quota: Quota, now: datetime) -> When:
    runs = {"period_start__gt": now - _renewal(quota)} if quota.renewal_period_seconds else {}
    shares = [
        _share(column, limit)
        for column, limit in (("calls", quota.calls), ("bytes", _bytes(quota)))
        if limit is not None
    ]
    return When(product_id=product, **runs, then=Greatest(*shares) if len(shares) > 1 else shares[0])


def _share(column: str, limit: int) -> "Value | ExpressionWrapper[Any]":
    if not limit:
        return Value(ALL_USED)
    return ExpressionWrapper(F(column) * Value(ALL_USED) / Value(float(limit)), output_field=FloatField())


def _bytes(quota: Quota) -> int | None:
    return quota.kilobytes * KILOBYTE if quota.kilobytes is not None else None


def _renewal(quota: Quota) -> timedelta:
    return timedelta(seconds=quota.renewal_period_seconds)


def stands(subscriptions: Iterable[Subscription], now: datetime) -> Iterator[Stand]:
    """Of rows of `with_percent`, in their order: two queries, whatever their number."""
    rows = list(subscriptions)
    found = limits_of({row.product_id for row in rows if row.product_id is not None})
    uses: dict[UUID, QuotaUse] = QuotaUse.objects.in_bulk([row.pk for row in rows])
    for row in rows:
        quota = found[row.product_id].quota if row.product_id in found else None
        # Somebody may have taken the quota away meanwhile.
        if quota is not None:
            yield _stand(row, quota, uses.get(row.pk), now)


def _stand(row: Subscription, quota: Quota, use: QuotaUse | None, now: datetime) -> Stand:
    end = use.period_start + _renewal(quota) if use is not None and quota.renewal_period_seconds else None
    if use is None or use.product_id != row.product_id or (end is not None and end <= now):
        calls, used, end = 0, 0, None
    else:
        calls, used = use.calls, use.bytes
    return Stand(
        subscription=row,
        percent=row.percent,  # type: ignore[attr-defined]
        calls=Part(calls, quota.calls) if quota.calls is not None else None,
        kilobytes=Part(used // KILOBYTE, quota.kilobytes) if quota.kilobytes is not None else None,
        renewal_period_seconds=quota.renewal_period_seconds,
        refills_at=end,
    )
