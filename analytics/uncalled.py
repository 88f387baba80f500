"""What nobody calls: APIs, operations, products and subscriptions without a call since a day."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Max, OuterRef, QuerySet, Subquery

from analytics.models import APIDay, CallKind, OperationDay, ProductDay
from apis.models import API, Operation
from subscriptions.models import Product, Subscription, SubscriptionKey


def day_before(now: datetime, days: int) -> datetime:
    """The beginning of the day of UTC that was so many days ago: usage of long periods is summed by such days."""
    return datetime.combine((now - timedelta(days=days)).astimezone(UTC).date(), time(), UTC)


def apis(since: datetime) -> QuerySet[API]:
    """Those that are as old at least."""
    return API.objects.filter(created_at__lt=since).exclude(pk__in=_called(APIDay, "api_id", since))


def operations(since: datetime) -> QuerySet[Operation]:
    """Of APIs that are called otherwise."""
    of_called = Operation.objects.filter(api__created_at__lt=since, api__in=_called(APIDay, "api_id", since))
    uncalled = of_called.exclude(pk__in=_called(OperationDay, "operation_id", since))
    return uncalled.select_related("api").order_by("api__display_name", "position", "pk")


def products(since: datetime) -> QuerySet[Product]:
    """Published ones that have an API which could be called."""
    callable_ones = Product.objects.published().filter(pk__in=Product.apis.through.objects.values("product"))
    return callable_ones.exclude(pk__in=_called(ProductDay, "product_id", since)).order_by("display_name", "pk")


def subscriptions(since: datetime) -> QuerySet[Subscription]:
    """Active ones that are as old at least, annotated with when one of their keys was used last."""
    uses = SubscriptionKey.objects.filter(subscription=OuterRef("pk")).order_by().values("subscription")
    last_used = Subquery(uses.annotate(last=Max("last_used_at")).values("last"))
    unused = Subscription.objects.unused_since(since).filter(state=Subscription.State.ACTIVE)
    return unused.annotate(last_used=last_used).order_by("created_at", "pk")


def _called(table: type[Any], field: str, since: datetime) -> QuerySet[Any]:
    """The ids of what was called since then."""
    kinds = table.objects.filter(at__gte=since).order_by().values("kind").distinct()
    called: QuerySet[Any] = CallKind.objects.filter(pk__in=kinds).values(field)
    return called


def last_called(table: type[Any], field: str, ids: Iterable[int]) -> dict[int, date]:
    """The day of UTC of the last call of each, as far back as roll-ups go."""
    found = table.objects.filter(kind__in=CallKind.objects.filter(**{f"{field}__in": list(ids)})).order_by()
    latest = found.values_list(f"kind__{field}").annotate(Max("at"))
    return {pk: at.astimezone(UTC).date() for pk, at in latest}
