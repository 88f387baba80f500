"""Usage for invoices: a month's calls and amounts by subscription, on a page and as CSV."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from analytics.billing import Bill, Period, bills, periods
from portal.administration.model_admin import ModelAdmin
from portal.plans import amount_in_words
from subscriptions.models import Product

MONTHS = 36
SHOWN = 100
COLUMNS = (
    "subscription_id",
    "subscription",
    "owner",
    "team",
    "product",
    "period_start",
    "period_end",
    "calls",
    "bytes",
    "price",
    "currency",
    "price_per_month",
    "included_calls",
    "price_per_1000_calls",
    "amount",
)
# A spreadsheet takes what begins with one of these as a formula, also in the full width of East Asian fonts.
_FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")


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
    }
    if form.is_valid():
        found = bills(form.period, form.cleaned_data["product"])
        if request.GET.get("format") == "csv":
            return _download(found, form.period, form.cleaned_data["product"])
        rows = list(islice(found, SHOWN + 1))
        context |= {
            "period": form.period,
            "runs": form.period.contains(timezone.now()),
            "rows": [(bill, amount_in_words(bill)) for bill in rows[:SHOWN]],
            "has_more": len(rows) > SHOWN,
        }
    return render(request, "admin/subscriptions/product/billing.html", context)


def _download(found: Iterator[Bill], period: Period, product: Product | None) -> StreamingHttpResponse:
    name = f"usage-{product.name}-{period.name}.csv" if product is not None else f"usage-{period.name}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines(found), content_type="text/csv; charset=utf-8", headers=headers)


class _Line:
    """What csv writes into: gives each line back."""

    def write(self, text: str) -> str:
        return text


def lines(found: Iterator[Bill]) -> Iterator[str]:
    """CSV (RFC 4180) whose texts no spreadsheet takes for formulas."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for bill in found:
        yield writer.writerow(_cells(bill))


def _cells(bill: Bill) -> list[str]:
    subscription, price = bill.subscription, bill.price
    texts = [
        str(subscription.pk),
        subscription.display_name,
        subscription.owner.email if subscription.owner is not None else "",
        subscription.team.name if subscription.team is not None else "",
        bill.product.display_name,
    ]
    return [
        *(_harmless(text) for text in texts),
        _moment(bill.period.start),
        _moment(bill.period.end),
        str(bill.calls),
        str(bill.bytes),
        price.kind if price is not None else "",
        price.currency if price is not None else "",
        _plain(price.per_month) if price is not None else "",
        str(price.included_calls or 0) if price is not None and price.per_thousand_calls is not None else "",
        _plain(price.per_thousand_calls) if price is not None else "",
        _plain(bill.amount),
    ]


def _harmless(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA_STARTS and text else text


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _plain(amount: Decimal | None) -> str:
    return f"{amount:f}" if amount is not None else ""
