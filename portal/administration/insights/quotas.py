"""Each quota of each subscription: how much of it is used and left, and when it is full again."""

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
from subscriptions.models import Product, Subscription

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
    Column("api"),
    Column("operation"),
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
    found = usage.rules()
    products = dict(Product.objects.filter(pk__in=[pk for pk, _, _ in found]).values_list("pk", "display_name"))
    level, product = number_in(request, "level", LEVELS, 0), number_in(request, "product", products, 0)
    text = request.GET.get("q", "").replace("\0", "")[:LONGEST_SEARCH]
    subscriptions = _searched(Subscription.objects.filter(**{"product": product} if product else {}), text)
    uses = usage.uses(found, subscriptions, now, least=level)
    if request.GET.get("format") in Format:
        stands = usage.stands(uses[:MOST_EXPORTED], found, now)
        table = Table(
            "quotas", COLUMNS, map(_exported, stands), MOST_EXPORTED if uses.count() > MOST_EXPORTED else None
        )
        return download(table, Format(request.GET["format"]))
    page = page_of(request, uses)
    kept = {"level": str(level), "product": str(product or ""), "q": text}
    context = context_of(request, _("Quotas"), kept) | {
        "levels": LEVELS.items(),
        "products": products.items(),
        "level": level,
        "product": product,
        "q": text,
        "page": page,
        "stands": list(map(_shown, usage.stands(page.object_list, found, now))),
        "has_quotas": bool(found),
    }
    return render(request, "admin/insights/quotas.html", context)


def _searched(rows: QuerySet[Subscription], text: str) -> QuerySet[Subscription]:
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
        "percent": PERCENT.short(stand.use.percent),
        "mark": mark,
        "width": min(round(stand.use.percent), 100),
    }


def _exported(stand: usage.Stand) -> list[Any]:
    row, calls, kilobytes = stand.subscription, stand.calls, stand.kilobytes
    return [
        row.pk,
        row.display_name,
        row.owner_name,
        row.scope_name,
        stand.api,
        stand.operation,
        stand.use.percent,
        calls.used if calls is not None else None,
        calls.limit if calls is not None else None,
        kilobytes.used if kilobytes is not None else None,
        kilobytes.limit if kilobytes is not None else None,
        stand.renewal_period_seconds,
        stand.refills_at,
    ]
