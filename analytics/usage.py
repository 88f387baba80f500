"""How much a subscription was used, and what it may still use."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TypedDict
from uuid import UUID

from django.db.models import Q, Sum

from analytics.models import QuotaUse, SubscriptionQuarter
from gateway.catalogue.call_limits import KILOBYTE
from gateway.configuration.snapshot import Quota, RateLimit
from policies.compiler import PolicyError, ProductPolicyValues, compile_product_policy
from policies.models import ProductPolicy
from policies.references import NoNames
from subscriptions.models import Subscription

UNLIMITED = ProductPolicyValues()


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls that were let through today and since Monday, and the limits with what is left of them.

    A quota's calls or kilobytes are None where it does not limit them. `quota_resets_at` is None
    where the quota is never renewed, or where no period runs: the next one begins with the next call.
    """

    today: int
    this_week: int
    rate: RateLimit | None
    quota_calls: int | None
    quota_left: int | None
    quota_kilobytes: int | None
    quota_kilobytes_left: int | None
    quota_resets_at: datetime | None


class _Sums(TypedDict):
    today: int
    this_week: int


def usage_of(subscriptions: Iterable[Subscription], now: datetime, timezone: tzinfo) -> dict[UUID, Usage]:
    """Usage by subscription, with days and weeks as they begin in a time zone. Three queries."""
    chosen = list(subscriptions)
    sums = _calls_since({subscription.pk for subscription in chosen}, now, timezone)
    uses = QuotaUse.objects.in_bulk([subscription.pk for subscription in chosen])
    limits = limits_of({subscription.product_id for subscription in chosen})
    return {
        subscription.pk: _usage(
            sums.get(subscription.pk, _Sums(today=0, this_week=0)),
            limits.get(subscription.product_id, UNLIMITED),
            uses.get(subscription.pk),
            now,
        )
        for subscription in chosen
    }


def _calls_since(subscriptions: set[UUID], now: datetime, timezone: tzinfo) -> dict[UUID, _Sums]:
    midnight = now.astimezone(timezone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # Subtracting days from a local time keeps its clock at midnight, also where the clocks change.
    monday = midnight - timedelta(days=midnight.weekday())
    rows = (
        SubscriptionQuarter.objects.filter(subscription_id__in=subscriptions, quarter__gte=monday, quarter__lte=now)
        .values("subscription_id")
        .annotate(this_week=Sum("calls"), today=Sum("calls", filter=Q(quarter__gte=midnight), default=0))
    )
    return {row["subscription_id"]: _Sums(today=row["today"], this_week=row["this_week"]) for row in rows}


def limits_of(products: set[int | None]) -> dict[int | None, ProductPolicyValues]:
    """The limits of each product that has any."""
    limits: dict[int | None, ProductPolicyValues] = {}
    for product, document in ProductPolicy.objects.filter(product__in=products - {None}).values_list(
        "product_id", "document"
    ):
        # A policy that does not compile is the publisher's to report; the gateway refuses the product's calls.
        with suppress(PolicyError):
            limits[product] = compile_product_policy(document, NoNames(), missing=lambda _: None)
    return limits


def _usage(sums: _Sums, limits: ProductPolicyValues, use: QuotaUse | None, now: datetime) -> Usage:
    calls, used, resets_at = _quota_period(limits.quota, use, now)
    quota_calls = limits.quota.calls if limits.quota is not None else None
    quota_kilobytes = limits.quota.kilobytes if limits.quota is not None else None
    return Usage(
        today=sums["today"],
        this_week=sums["this_week"],
        rate=limits.rate_limit,
        quota_calls=quota_calls,
        quota_left=max(quota_calls - calls, 0) if quota_calls is not None else None,
        quota_kilobytes=quota_kilobytes,
        quota_kilobytes_left=max(quota_kilobytes - used // KILOBYTE, 0) if quota_kilobytes is not None else None,
        quota_resets_at=resets_at,
    )


def _quota_period(quota: Quota | None, use: QuotaUse | None, now: datetime) -> tuple[int, int, datetime | None]:
    """The calls and bytes in the period that runs now, and its end."""
    if quota is None or use is None:
        return 0, 0, None
    if not quota.renewal_period_seconds:
        return use.calls, use.bytes, None
    end = use.period_start + timedelta(seconds=quota.renewal_period_seconds)
    return (use.calls, use.bytes, end) if now < end else (0, 0, None)
