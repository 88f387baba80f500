"""What nobody has called for a while, and who could."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.paginator import Page
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics import uncalled as usage
from analytics.models import APIDay, OperationDay, ProductDay
from apis.models import API
from portal.administration.insights.page import context_of, insights_page, number_in, page_of
from subscriptions.models import Product, Subscription

DAYS = {
    7: gettext_lazy("7 days"),
    30: gettext_lazy("30 days"),
    90: gettext_lazy("90 days"),
    365: gettext_lazy("365 days"),
}
DEFAULT_DAYS = 30
SHOWN_SUBSCRIBERS = 3


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Those of the active subscriptions by which one could call, and how many there are."""

    count: int
    first: list[Subscription]

    @property
    def more(self) -> int:
        return self.count - len(self.first)


@insights_page("apis.view_api", "subscriptions.view_subscription", "analytics.view_call")
def uncalled(request: HttpRequest) -> HttpResponseBase:
    days = number_in(request, "days", DAYS, DEFAULT_DAYS)
    since = usage.day_before(timezone.now(), days)
    apis = page_of(request, usage.apis(since), "apis")
    operations = page_of(request, usage.operations(since), "operations")
    products = page_of(request, usage.products(since), "products")
    subscriptions = page_of(
        request, usage.subscriptions(since).select_related("owner", "team", "product", "api"), "subscriptions"
    )
    context = context_of(request, _("Nobody calls"), {"days": str(days)}) | {
        "days": DAYS.items(),
        "chosen": days,
        "since": since,
        "apis": _part(apis, list(_apis(apis.object_list))),
        "operations": _part(operations, list(_with_last(operations.object_list, OperationDay, "operation_id"))),
        "products": _part(products, list(_products(products.object_list))),
        "subscriptions": _part(subscriptions, list(subscriptions.object_list)),
    }
    return render(request, "admin/insights/uncalled.html", context)


def _part(page: Page[Any], rows: list[Any]) -> dict[str, Any]:
    return {"page": page, "rows": rows, "count": page.paginator.count}


def _with_last(rows: Iterable[Any], table: type[Any], field: str) -> Iterator[tuple[Any, date | None]]:
    found = list(rows)
    last = usage.last_called(table, field, [row.pk for row in found])
    return ((row, last.get(row.pk)) for row in found)


def _apis(rows: Iterable[API]) -> Iterator[tuple[API, date | None, Subscribers]]:
    for api, last in _with_last(rows, APIDay, "api_id"):
        yield api, last, _subscribers(Subscription.objects.opening(api))


def _products(rows: Iterable[Product]) -> Iterator[tuple[Product, date | None, Subscribers]]:
    for product, last in _with_last(rows, ProductDay, "product_id"):
        yield product, last, _subscribers(Subscription.objects.filter(product=product))


def _subscribers(subscriptions: Any) -> Subscribers:
    active = (
        subscriptions.filter(state=Subscription.State.ACTIVE).select_related("owner", "team").order_by("created_at")
    )
    return Subscribers(active.count(), list(active[:SHOWN_SUBSCRIBERS]))
