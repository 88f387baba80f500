"""Where the limits of subscriptions stand: as the gateway counts them now, or else as far as the database knows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max

from analytics.gateway_limits import ask_gateway
from analytics.models import CountedQuota, InnerQuotaUse, JournalPart, QuotaUse
from analytics.usage import limits_of
from gateway.catalogue.call_limits import ProductLimits, QuotaStand, Scope
from gateway.configuration.snapshot import Product as PublishedProduct
from gateway.limits.standing import LimitStand, Looked, standing
from policies.product_names import ProductNames
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a subscription, of all its calls or of those of an API or an operation.

    `kind` is "rate" or "quota", whose numbers are calls, or "bandwidth" with bytes. `used` and `left` are
    None where only the gateway knows. A period of 0 seconds never ends. `resets_at` is when some of a rate
    is free again, and when a quota begins anew; None where nothing is used, and where that never comes.
    """

    kind: str
    api_id: int | None
    operation_id: int | None
    limit: int
    period_seconds: int
    used: int | None
    left: int | None
    resets_at: datetime | None

    @property
    def is_used_up(self) -> bool:
        return self.left == 0


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_live`: the gateway counted so at `as_of`. Else it is what calls had used that are in the database by then."""

    limits: tuple[Limit, ...]
    as_of: datetime
    is_live: bool


def standing_of(subscriptions: Iterable[Subscription], now: datetime) -> dict[UUID, Standing]:
    """By subscription. Asks the gateway once for 50 of them, and takes some queries where it does not say."""
    chosen = {subscription.pk: subscription for subscription in subscriptions}
    limited = [pk for pk, subscription in chosen.items() if subscription.product_id is not None]
    live = _live(limited)
    stored = _as_stored([chosen[pk] for pk in limited if pk not in live], now)
    without_limits = Standing((), now, is_live=True)
    return {pk: live.get(pk) or stored.get(pk) or without_limits for pk in chosen}


def _live(subscriptions: Sequence[UUID]) -> dict[UUID, Standing]:
    told = ask_gateway(subscriptions) if subscriptions else None
    if told is None:
        return {}
    return {
        pk: Standing(tuple(_limit(one, told.moment, is_known=True) for one in limits.limits), told.moment, is_live=True)
        for pk, limits in told.subscriptions.items()
        if limits.is_certain
    }


def _limit(told: LimitStand, at: datetime, *, is_known: bool) -> Limit:
    resets_in = told.resets_in_seconds
    return Limit(
        kind=told.kind,
        api_id=told.api or None,
        operation_id=told.operation or None,
        limit=told.limit,
        period_seconds=told.period_seconds,
        used=told.used if is_known else None,
        left=told.left if is_known else None,
        resets_at=at + timedelta(seconds=resets_in) if is_known and resets_in is not None else None,
    )


def _as_stored(subscriptions: Sequence[Subscription], now: datetime) -> dict[UUID, Standing]:
    """The database keeps where quotas stand, and nothing of rates."""
    if not subscriptions:
        return {}
    policies = limits_of({subscription.product_id for subscription in subscriptions}, ProductNames)
    limits = {
        product: ProductLimits(PublishedProduct(product, (), values.rate_limit, values.quota))
        for product, values in policies.items()
    }
    have_parts = any(api for one in limits.values() for _, api, _ in one.quotas)
    counted = _counted([subscription.pk for subscription in subscriptions], with_parts=have_parts)
    as_of = JournalPart.objects.aggregate(at=Max("updated_at"))["at"] or now
    found = {}
    for subscription in subscriptions:
        stored = _stored(limits.get(subscription.product_id or 0), counted[subscription.pk], now)
        found[subscription.pk] = Standing(stored, min(as_of, now), is_live=False)
    return found


def _counted(subscriptions: Sequence[UUID], *, with_parts: bool) -> dict[UUID, dict[Scope, CountedQuota]]:
    """By subscription and what the quota is about; `with_parts`: also of APIs and operations."""
    found: dict[UUID, dict[Scope, CountedQuota]] = {pk: {} for pk in subscriptions}
    for use in QuotaUse.objects.filter(subscription__in=subscriptions):
        found[use.subscription_id][use.product_id, 0, 0] = use
    for inner in InnerQuotaUse.objects.filter(subscription__in=subscriptions) if with_parts else ():
        found[inner.subscription_id][inner.product_id, inner.api_id, inner.operation_id] = inner
    return found


def _stored(limits: ProductLimits | None, counted: Mapping[Scope, CountedQuota], now: datetime) -> tuple[Limit, ...]:
    if limits is None:
        return ()
    moment = now.timestamp()
    untouched: QuotaStand = (moment, 0, 0)
    stands = [untouched for _ in limits.quotas]
    for index, rule in enumerate(limits.quotas.values()):
        use = counted.get(rule.scope)
        if use is not None and (not rule.period or use.period_start.timestamp() + rule.period > moment):
            stands[index] = (use.period_start.timestamp(), use.calls, use.bytes)
    looked = Looked([(0, moment)] * len(limits.rates), stands, moment)
    return tuple(_limit(one, now, is_known=one.kind != "rate") for one in standing(limits, looked).limits)
