"""Each subscription with a quota: how much of it is used and left, and when it is full again."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics import quotas as usage
from analytics.export import Column, Format, Kind, Table, download
from portal.administration.insights.page import context_of, insights_page, number_in, page_of
from portal.units import PERCENT
from subscriptions.models import Product

# At least so many percent are used.
LEVELS = {
    0: gettext_lazy("All"),
    50: gettext_lazy("50 % and more"),
    80: gettext_lazy("80 % and more"),
    100: gettext_lazy("Used up"),
}
LONGEST_SEARCH = 100
MOST_EXPORTED = 100_000
COLUMNS = (
    Column("subscription_id"),
    Column("subscription"),
    Column("owner"),
    Column("product"),
    Column("percent", Kind.REAL),
    Column("calls_used", Kind.INTEGER),
    Column("calls_quota", Kind.INTEGER),
    Column("kilobytes_used", Kind.INTEGER),
    Column("kilobytes_quota", Kind.INTEGER),
    Column("renewal_period_seconds", Kind.INTEGER),
    Column("refills_at", Kind.MOMENT),
)


@insights_page("subscriptions.view_subscription", "analytics.view_call")
def quotas(request: HttpRequest) -> HttpResponseBase:
    now = timezone.now()
    found = usage.quotas()
    products = {row.pk: row.display_name for row in Product.objects.filter(pk__in=found)}
    level, product = number_in(request, "level", LEVELS, 0), number_in(request, "product", products, 0)
    text = request.GET.get("q", "").replace("\0", "")[:LONGEST_SEARCH]
    rows = usage.with_percent({product: found[product]} if product else found, now).select_related(
        "owner", "team", "product"
    )
    rows = _searched(rows.filter(percent__gte=level) if level else rows, text).order_by("-percent", "pk")
    if request.GET.get("format") in Format:
        stands = usage.stands(rows[:MOST_EXPORTED], now)
        table = Table(
            "quotas", COLUMNS, map(_exported, stands), MOST_EXPORTED if rows.count() > MOST_EXPORTED else None
        )
        return download(table, Format(request.GET["format"]))
    page = page_of(request, rows)
    kept = {"level": str(level), "product": str(product or ""), "q": text}
    context = context_of(request, _("Quotas"), kept) | {
        "levels": LEVELS.items(),
        "products": products.items(),
        "level": level,
        "product": product,
        "q": text,
        "page": page,
        "stands": [_shown(stand) for stand in usage.stands(list(page.object_list), now)],
        "has_quotas": bool(found),
    }
    return render(request, "admin/insights/quotas.html", context)


def _searched(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    if not text:
        return rows
    return rows.filter(
        Q(display_name__icontains=text) | Q(owner__email__icontains=text) | Q(team__name__icontains=text)
    )


def _shown(stand: usage.Stand) -> dict[str, Any]:
    mark = "used-up" if stand.is_used_up else "nearly" if stand.is_nearly_used else ""
    # The bar ends where all is used.
    return {
        "stand": stand,
        "subscription": stand.subscription,
        "percent": PERCENT.short(stand.percent),
        "mark": mark,
        "width": min(round(stand.percent), 100),
    }


def _exported(stand: usage.Stand) -> list[Any]:
    row, calls, kilobytes = stand.subscription, stand.calls, stand.kilobytes
    return [
        row.pk,
        row.display_name,
        row.owner_name,
        row.scope_name,
        stand.percent,
        calls.used if calls is not None else None,
        calls.limit if calls is not None else None,
        kilobytes.used if kilobytes is not None else None,
        kilobytes.limit if kilobytes is not None else None,
        stand.renewal_period_seconds,
        stand.refills_at,
    ]
