"""How much a subscription was used, and what its product allows."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

from django.db.models import Q, Sum

from analytics.models import SubscriptionQuarter
from policies.compiler import PolicyError, ProductPolicyValues, compile_product_policy
from policies.models import ProductPolicy
from policies.references import Names, NoNames
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls that were let through today and since Monday."""

    today: int
    this_week: int


def usage_of(subscriptions: Iterable[Subscription], now: datetime, timezone: tzinfo) -> dict[UUID, Usage]:
    """Usage by subscription, with days and weeks as they begin in a time zone. One query."""
    chosen = {subscription.pk for subscription in subscriptions}
    midnight = now.astimezone(timezone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # Subtracting days from a local time keeps its clock at midnight, also where the clocks change.
    monday = midnight - timedelta(days=midnight.weekday())
    rows = (
        SubscriptionQuarter.objects.filter(subscription_id__in=chosen, quarter__gte=monday, quarter__lte=now)
        .values("subscription_id")
        .annotate(this_week=Sum("calls"), today=Sum("calls", filter=Q(quarter__gte=midnight), default=0))
    )
    found = {row["subscription_id"]: Usage(today=row["today"], this_week=row["this_week"]) for row in rows}
    return {pk: found.get(pk, Usage(0, 0)) for pk in chosen}


def limits_of(
    products: Iterable[int | None], names_of: Callable[[int], Names] = lambda _: NoNames()
) -> dict[int, ProductPolicyValues]:
    """The limits of each product that has any. Those of its APIs and operations need their names."""
    wanted = {product for product in products if product is not None}
    limits: dict[int, ProductPolicyValues] = {}
    for product, document in ProductPolicy.objects.filter(product__in=wanted).values_list("product_id", "document"):
        # A policy that does not compile is the publisher's to report; the gateway refuses the product's calls.
        with suppress(PolicyError):
            limits[product] = compile_product_policy(document, names_of(product), missing=lambda _: None)
    return limits
