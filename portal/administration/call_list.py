"""The list of single calls: filters in its address, and pages that go back in time."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from analytics import picker
from analytics.call_search import LABELS, NONE, Cursor
from analytics.explanation import REASONS
from analytics.export import Format
from apis.models import API, Operation, Parameter
from portal.administration.call_export import MOST_ROWS
from portal.administration.call_query import CLASS_LABELS, CallQuery, query_of, rows_of
from portal.administration.model_admin import Autocomplete, ModelAdmin
from subscriptions.models import Product, Subscription, SubscriptionKey

LIST = "admin:analytics_call_changelist"
SHOWN = 50
PATIENCE_SECONDS = 1.5
# What a row of the list tells by its name.
NAMED = ("api", "operation", "subscription")


def _chosen(queryset: Any, label: Any, model: Any, field: str) -> forms.ModelChoiceField:  # type: ignore[type-arg]
    """A row that is looked up while one types, in the way of a field that refers to such rows."""
    return forms.ModelChoiceField(
        queryset, label=label, required=False, widget=Autocomplete(model._meta.get_field(field), admin.site)
    )


class FilterForm(forms.Form):
    """Its fields are named as the parameters of the list's address."""

    api = _chosen(API.objects.all(), LABELS["api"], Subscription, "api")
    operation = _chosen(Operation.objects.all(), LABELS["operation"], Parameter, "operation")
    product = _chosen(Product.objects.all(), LABELS["product"], Subscription, "product")
    subscription = _chosen(Subscription.objects.all(), LABELS["subscription"], SubscriptionKey, "subscription")
    user = _chosen(User.objects.all(), LABELS["user"], Subscription, "owner")
    reason = forms.ChoiceField(
        label=LABELS["reason"],
        required=False,
        choices=[("", _("Any")), (NONE, _("None")), *((name, words.title) for name, words in REASONS.items())],
        widget=UnfoldAdminSelectWidget,
    )
    code = forms.CharField(
        required=False,
        label=LABELS["code"],
        max_length=3,
        widget=UnfoldAdminTextInputWidget({"placeholder": "429, 5xx"}),
    )
    method = forms.CharField(
        required=False, label=LABELS["method"], max_length=40, widget=UnfoldAdminTextInputWidget({"placeholder": "GET"})
    )
    country = forms.CharField(required=False, label=LABELS["country"], max_length=4, widget=UnfoldAdminTextInputWidget)
    min_ms = forms.IntegerField(
        required=False, label=LABELS["min_ms"], min_value=0, widget=UnfoldAdminIntegerFieldWidget
    )


def list_view(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    query = query_of(request, request.GET.dict())
    problems = (*query.choice.problems, *query.search.problems)
    # A form sends its empty fields, too.
    if not problems and ("" in request.GET.values() or "q" in request.GET):
        return redirect(f"{reverse(LIST)}?{query.string()}")
    before = Cursor.of(request.GET.get("before", ""))
    found = query.search.latest(count=SHOWN, before=before, patience=PATIENCE_SECONDS)
    if "request_id" in query.values and len(found.calls) == 1:
        return redirect("admin:analytics_call_change", found.calls[0].pk)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Calls"),
        "opts": model_admin.opts,
        "query": query,
        "chips": query.chips(),
        "sought": request.GET.get("q") or query.values.get("url") or query.values.get("request_id", ""),
        "kept_by_search": _but(query, {"q", "url", "request_id"}),
        "kept_by_filters": _but(query, set(FilterForm.base_fields)),
        "picker": picker.menu(query.choice, query.values),
        "classes": _classes(query),
        "filter_form": FilterForm(initial=dict(query.values)),
        "rows": rows_of(found.calls, query.seen(*NAMED)),
        "before": before,
        "older": query.string(before=found.older) if found.older is not None else "",
        "looked_back_to": found.looked_back_to,
        "formats": Format,
        "most_rows": number_format(MOST_ROWS, force_grouping=True),
    }
    return render(request, "admin/analytics/call/list.html", context)


def _but(query: CallQuery, names: Collection[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in query.all if name not in names]


def _classes(query: CallQuery) -> list[tuple[Any, str, bool]]:
    """Label, query string and whether it is chosen."""
    chosen = query.values.get("class")
    return [
        (_("All"), query.string(**{"class": None}), chosen is None),
        *((label, query.string(**{"class": name}), chosen == name) for name, label in CLASS_LABELS.items()),
    ]
