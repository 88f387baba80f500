"""Usage for invoices: a month's calls and amounts by subscription, on a page and as a file."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from analytics.billing import Bill, Period, bills, periods
from analytics.export import Column, Format, Kind, Table, download
from portal.administration.model_admin import ModelAdmin
from portal.plans import amount_in_words
from subscriptions.models import Product

MONTHS = 36
SHOWN = 100
COLUMNS = (
    Column("subscription_id"),
    Column("subscription"),
    Column("owner"),
    Column("team"),
    Column("product"),
    Column("period_start", Kind.MOMENT),
    Column("period_end", Kind.MOMENT),
    Column("calls", Kind.INTEGER),
    Column("bytes", Kind.INTEGER),
    Column("price"),
    Column("currency"),
    Column("price_per_month", Kind.DECIMAL),
    Column("included_calls", Kind.INTEGER),
    Column("price_per_1000_calls", Kind.DECIMAL),
    Column("amount", Kind.DECIMAL),
)


class _ProductField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, product: Any) -> str:
        return str(product.name_in_history)


class BillingForm(forms.Form):
    month = forms.ChoiceField(label=gettext_lazy("Month"), widget=UnfoldAdminSelectWidget)
    product = _ProductField(
        Product.with_deleted.order_by("deleted_at", "position", "display_name"),
        label=gettext_lazy("Product"),
        required=False,
        empty_label=gettext_lazy("All products"),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, months: list[Period], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._months = {period.name: period for period in months}
        choices: Any = [(name, name) for name in self._months]
        self.fields["month"].choices = choices  # type: ignore[attr-defined]

    @property
    def period(self) -> Period:
        return self._months[self.cleaned_data["month"]]


def billing_view(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponseBase:
    if not (model_admin.has_view_permission(request) and request.user.has_perm("subscriptions.view_subscription")):
        raise PermissionDenied
    zone = timezone.get_default_timezone()
    months = periods(timezone.now(), zone, count=MONTHS)
    form = BillingForm({"month": months[0].name, **request.GET.dict()}, months=months)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": _("Usage for invoices"),
        "opts": model_admin.opts,
        "form": form,
        "zone": zone,
        "formats": Format,
    }
    if form.is_valid():
        found = bills(form.period, form.cleaned_data["product"])
        if request.GET.get("format") in Format:
            table = table_of(found, form.period, form.cleaned_data["product"])
            return download(table, Format(request.GET["format"]))
        rows = list(islice(found, SHOWN + 1))
        context |= {
            "period": form.period,
            "runs": form.period.contains(timezone.now()),
            "rows": [(bill, amount_in_words(bill)) for bill in rows[:SHOWN]],
            "has_more": len(rows) > SHOWN,
        }
    return render(request, "admin/subscriptions/product/billing.html", context)


def table_of(found: Iterable[Bill], period: Period, product: Product | None) -> Table:
    name = f"usage-{product.name}-{period.name}" if product is not None else f"usage-{period.name}"
    return Table(name, COLUMNS, map(_row, found))


def _row(bill: Bill) -> list[Any]:
    subscription, price = bill.subscription, bill.price
    included_calls = None
    if price is not None and price.per_thousand_calls is not None:
        included_calls = price.included_calls or 0
    return [
        subscription.pk,
        subscription.display_name,
        subscription.owner.email if subscription.owner is not None else None,
        subscription.team.name if subscription.team is not None else None,
        bill.product.display_name,
        bill.period.start,
        bill.period.end,
        bill.calls,
        bill.bytes,
        price.kind if price is not None else None,
        price.currency if price is not None else None,
        price.per_month if price is not None else None,
        included_calls,
        price.per_thousand_calls if price is not None else None,
        bill.amount,
    ]
