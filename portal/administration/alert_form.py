"""The form of an alert rule, and what it would have done lately."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget

from alerts.models import AlertRule
from alerts.preview import Preview, present, preview
from analytics.charts.figure import Chart, Series, Value
from analytics.charts.lines import lines
from analytics.charts.time_axis import slots
from analytics.periods import Span, Step
from notifications.alert_words import Metric, amount
from portal.administration.model_admin import ModelAdmin
from portal.units import COUNT, MICROSECONDS, PERCENT

SHOWN_FIRINGS = 50
# The worker's own columns are not the form's to write.
FIELDS = [
    "name", "is_enabled", "metric", "threshold", "clears_at", "api", "product", "subscription", "window_minutes",
    "least_calls", "fire_after_minutes", "clear_after_minutes", "to_administrator", "emails", "users", "note",
]  # fmt: skip
_HOUR = timedelta(hours=1)
# Unit of the chart and how many of it a value of the rule is.
_UNITS = {Metric.ERROR_RATE: (PERCENT, 1), Metric.P95: (MICROSECONDS, 1000), Metric.CALLS: (COUNT, 1)}


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = AlertRule
        fields = FIELDS
        widgets = {"emails": UnfoldAdminTextareaWidget({"rows": 2}), "note": UnfoldAdminTextareaWidget({"rows": 3})}
        help_texts = {
            "api": _("Or choose a product, or a subscription. Without a choice the rule is about all calls."),
            "metric": _(
                "A failed call was answered 400 or 5xx. Fewer calls than: a backend or its callers are gone. A quota: "
                "of the subscription that has used the most."
            ),
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        has_recipient = data.get("to_administrator") or data.get("emails", "").strip() or data.get("users")
        if not has_recipient and not self.errors:
            raise forms.ValidationError(
                gettext("Say who is told: the administrator e-mail, other addresses, or administrators.")
            )
        return data


@require_POST
def preview_view(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """What the rule as it stands in the form would have done; saves nothing."""
    if not (model_admin.has_add_permission(request) or model_admin.has_change_permission(request)):
        raise PermissionDenied
    pk = request.GET.get("rule", "")
    stored = get_object_or_404(AlertRule, pk=pk) if pk.isdecimal() else None
    form = model_admin.get_form(request, stored, change=stored is not None)(request.POST, instance=stored)
    now = timezone.now()
    context: dict[str, Any] = {"form": form, "title": gettext("What the rule would have done")}
    if form.is_valid():
        found = preview(form.instance, now)
        shown = _shown(form.instance, found, now) if found is not None else _shown_present(form.instance, now)
        context |= {"preview": found, **shown}
    if request.headers.get("HX-Request"):
        return render(request, "admin/alerts/alertrule/_preview.html", context)
    context |= {**model_admin.admin_site.each_context(request), "opts": model_admin.opts}
    return render(request, "admin/alerts/alertrule/preview.html", context)


def _shown_present(rule: AlertRule, now: datetime) -> dict[str, Any]:
    reading, fires = present(rule, now)
    return {"value": amount(rule.metric, reading.value), "fires": fires, "fullest": reading.subscription}


def _shown(rule: AlertRule, found: Preview, now: datetime) -> dict[str, Any]:
    latest = found.firings[::-1][:SHOWN_FIRINGS]
    return {
        "count": len(found.firings),
        "firings": [(one, amount(rule.metric, one.value)) for one in latest],
        "is_cut": len(found.firings) > len(latest),
        "chart": _chart(rule, found, now),
    }


def _chart(rule: AlertRule, found: Preview, now: datetime) -> SafeString:
    """By hour: its worst value, and the threshold."""
    unit, factor = _UNITS[Metric(rule.metric)]
    worst = min if rule.metric == Metric.CALLS else max
    hours: dict[datetime, Value] = {}
    for at, value in found.values:
        hour = (at - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=0)
        known = [one for one in (hours.get(hour), value) if one is not None]
        hours[hour] = worst(known) if known else None
    spans = [Span(hour, hour + _HOUR) for hour in hours]
    series = [
        Series(
            str(Metric(rule.metric).label), "p50", [None if one is None else one * factor for one in hours.values()]
        ),
        Series(gettext("threshold"), "p99", [rule.threshold * factor] * len(spans)),
    ]
    axis = slots(spans, Step.HOUR, timezone.get_current_timezone(), now)
    return lines(Chart("alert", gettext("Worst value of each hour"), unit, axis, series))
