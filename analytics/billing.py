"""Usage per billing period, for invoices: what each subscription to a product used in a month, and owes.

The figures are those that developers see: calls that the gateway let through, whatever was answered to
them. Calls that a limit, a missing right or the gateway itself refused are not among them. They come from
the sums by quarter of an hour, which are kept when the rows of single calls are deleted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from typing import Self
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from analytics.models import SubscriptionQuarter
from subscriptions.models import Price, Product, Subscription, SubscriptionEvent
from subscriptions.prices import amount_due

BATCH = 500


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month of a time zone, from `start` up to `end`."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, moment: datetime, zone: tzinfo) -> Self:
        local = moment.astimezone(zone)
        return cls.of(local.year, local.month, zone)

    @classmethod
    def of(cls, year: int, month: int, zone: tzinfo) -> Self:
        following = (year, month + 1) if month < 12 else (year + 1, 1)
        return cls(datetime(year, month, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone))

    @property
    def name(self) -> str:
        return f"{self.start:%Y-%m}"

    def contains(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Bill:
    """What one subscription used in a period; `amount` is None where no figures say what it costs."""

    subscription: Subscription
    product: Product
    period: Period
    calls: int
    bytes: int
    price: Price | None
    amount: Decimal | None


def bills(period: Period, product: Product | None = None) -> Iterator[Bill]:
    """Of every subscription that was active in the period at some time, to the product or to any.

    A monthly amount is due in full for each of them. The price is the one that stood at the period's
    end, so that a change holds for the running month, and none before it.
    """
    charged = iter(_charged(period, product).iterator(chunk_size=BATCH))
    prices: dict[int, Price | None] = {}
    while batch := list(islice(charged, BATCH)):
        yield from _bills(batch, period, prices)


def bill_of(subscription: Subscription, period: Period) -> Bill | None:
    """The bill of one subscription; None where it is to no product, or was not active in the period."""
    return next(_bills(list(_charged(period).filter(pk=subscription.pk)), period, {}), None)


def _bills(subscriptions: Sequence[Subscription], period: Period, prices: dict[int, Price | None]) -> Iterator[Bill]:
    """`prices` keeps those that were looked up, by product."""
    used = _used(subscriptions, period)
    for subscription in subscriptions:
        product = subscription.product
        if product is None:
            continue
        if product.pk not in prices:
            prices[product.pk] = price_in(period, product)
        calls, size = used.get(subscription.pk, (0, 0))
        price = prices[product.pk]
        yield Bill(subscription, product, period, calls, size, price, amount_due(price, calls))


def price_in(period: Period, product: Product) -> Price | None:
    return Price.objects.filter(product=product, since__lt=period.end).first()


def _charged(period: Period, product: Product | None = None) -> QuerySet[Subscription]:
    # One whose time was over before is not billed, also while the worker has not marked it as expired.
    in_time = Q(expires_at=None) | Q(expires_at__gt=period.start)
    active = Q(started_at__lt=period.end) & (Q(ended_at=None) | Q(ended_at__gt=period.start)) & in_time
    chosen = Q(product__isnull=False) if product is None else Q(product=product)
    # One that was suspended from the month's start to its end was active at no time of it.
    history = SubscriptionEvent.objects.filter(subscription=OuterRef("pk"))
    at_start = history.filter(at__lte=period.start).order_by("-pk").values("state")[:1]
    in_use = history.filter(at__gt=period.start, at__lt=period.end, state=Subscription.State.ACTIVE)
    return (
        Subscription.objects.filter(active, chosen)
        .alias(at_start=Coalesce(Subquery(at_start), Value("")))
        .filter(~Q(at_start=Subscription.State.SUSPENDED) | Exists(in_use))
        .select_related("product", "owner", "team")
        .defer("terms_accepted", "product__terms", "product__description")
        .order_by("product__position", "product", "started_at", "pk")
    )


def _used(subscriptions: Sequence[Subscription], period: Period) -> dict[UUID, tuple[int, int]]:
    """Calls and bytes by subscription."""
    ids = [subscription.pk for subscription in subscriptions]
    quarters = SubscriptionQuarter.objects.filter(
        subscription_id__in=ids, quarter__gte=period.start, quarter__lt=period.end
    )
    sums = quarters.order_by().values_list("subscription_id").annotate(Sum("calls"), Sum("bytes"))
    return {subscription: (int(calls), int(size)) for subscription, calls, size in sums}


def periods(now: datetime, zone: tzinfo, *, count: int) -> list[Period]:
    """The running month and those before it, the latest first."""
    found = [Period.around(now, zone)]
    while len(found) < count:
        found.append(Period.around(found[-1].start - timedelta(days=1), zone))
    return found
