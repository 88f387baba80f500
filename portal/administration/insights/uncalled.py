"""What nobody has called for a while, and who could."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics import uncalled as usage
from analytics.export import Column, Format, Kind, Table, download
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
MOST_EXPORTED = 100_000
_ROWS_AT_ONCE = 1000
COLUMNS = (
    Column("kind"),
    Column("id"),
    Column("name"),
    Column("belongs_to"),
    Column("created_at", Kind.MOMENT),
    Column("last_called"),
    Column("subscriptions", Kind.INTEGER),
)


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
    if request.GET.get("format") in Format:
        rows = list(islice(_exported(since), MOST_EXPORTED + 1))
        cut_at = MOST_EXPORTED if len(rows) > MOST_EXPORTED else None
        table = Table(f"not-called-for-{days}-days", COLUMNS, rows[:MOST_EXPORTED], cut_at)
        return download(table, Format(request.GET["format"]))
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


def _exported(since: datetime) -> Iterator[list[Any]]:
    """All four tables, one after the other; `last_called` is a day, of subscriptions that of a key's last use."""
    for api, last, subscribers in _apis(usage.apis(since)):
        yield ["api", api.pk, api.display_name, None, api.created_at, last, subscribers.count]
    for operation, last in _with_last(usage.operations(since), OperationDay, "operation_id"):
        yield ["operation", operation.pk, str(operation), operation.api.display_name, None, last, None]
    for product, last, subscribers in _products(usage.products(since)):
        yield ["product", product.pk, product.display_name, None, None, last, subscribers.count]
    related: QuerySet[Any] = usage.subscriptions(since).select_related("owner", "team", "product", "api")
    for row in related.iterator(_ROWS_AT_ONCE):
        last_used = row.last_used.astimezone(UTC).date() if row.last_used is not None else None
        yield ["subscription", row.pk, row.display_name, row.owner_name, row.created_at, last_used, None]
