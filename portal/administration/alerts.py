"""The pages of alert rules: how they stand, what happened, and what one does about it."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from alerts import handling
from alerts.models import AlertChange, AlertRule, Unknown
from notifications import alert_words
from portal.administration.alert_form import FIELDS, AlertRuleForm, preview_view
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin
from portal.administration.steps import administrator

COLOURS = {"off": "info", "unknown": "warning", "muted": "warning", "firing": "danger", "ok": "success"}
SHOWN_CHANGES = 50
LONGEST_MUTE = timedelta(days=90)
USUAL_MUTE = timedelta(hours=4)


class MuteForm(forms.Form):
    until = forms.DateTimeField(
        label=_("Mute until"),
        widget=forms.DateTimeInput({"type": "datetime-local", "class": "alert-mute__until"}, "%Y-%m-%dT%H:%M"),
    )

    def clean_until(self) -> datetime:
        until: datetime = self.cleaned_data["until"]
        if not timezone.now() < until <= timezone.now() + LONGEST_MUTE:
            raise forms.ValidationError(
                gettext("Give a time in the future, at most %(days)s days from now.") % {"days": LONGEST_MUTE.days}
            )
        return until


@require_POST
def acknowledge_view(request: HttpRequest, *, pk: int, model_admin: ModelAdmin) -> HttpResponse:
    rule = _changeable(request, pk, model_admin)
    try:
        handling.acknowledge(rule, by=administrator(request), now=timezone.now())
    except handling.NotFiringError:
        messages.warning(request, gettext("The alert is over already."))
    else:
        messages.success(request, gettext("Others see that you look after it."))
    return redirect("admin:alerts_alertrule_change", pk)


@require_POST
def mute_view(request: HttpRequest, *, pk: int, model_admin: ModelAdmin) -> HttpResponse:
    rule = _changeable(request, pk, model_admin)
    form = MuteForm(request.POST)
    if form.is_valid():
        until = form.cleaned_data["until"]
        handling.mute(rule, until=until, by=administrator(request), now=timezone.now())
        messages.success(request, gettext("Nobody is told until %(moment)s.") % {"moment": _moment(until)})
    else:
        messages.error(request, str(form.errors["until"][0]))
    return redirect("admin:alerts_alertrule_change", pk)


@require_POST
def unmute_view(request: HttpRequest, *, pk: int, model_admin: ModelAdmin) -> HttpResponse:
    rule = _changeable(request, pk, model_admin)
    handling.unmute(rule, by=administrator(request), now=timezone.now())
    messages.success(request, gettext("Recipients are told again."))
    return redirect("admin:alerts_alertrule_change", pk)


def _changeable(request: HttpRequest, pk: int, model_admin: ModelAdmin) -> AlertRule:
    rule = get_object_or_404(AlertRule, pk=pk)
    if not model_admin.has_change_permission(request, rule):
        raise PermissionDenied
    return rule


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")


@admin.register(AlertRule)
class AlertRuleAdmin(ModelAdmin):
    form = AlertRuleForm
    list_display = ["name", "shown_state", "shown_value", "shown_condition", "state_since"]
    list_filter = ["state", "is_enabled", "metric"]
    list_select_related = ["api", "product", "subscription", "acknowledged_by"]
    search_fields = ["name"]
    list_per_page = 50
    autocomplete_fields = ["api", "product", "subscription", "users"]
    custom_urls = [
        ("preview/", "alerts_alertrule_preview", preview_view),
        ("<int:pk>/acknowledge/", "alerts_alertrule_acknowledge", acknowledge_view),
        ("<int:pk>/mute/", "alerts_alertrule_mute", mute_view),
        ("<int:pk>/unmute/", "alerts_alertrule_unmute", unmute_view),
    ]
    change_form_outer_before_template = "admin/alerts/alertrule/_state.html"
    change_form_after_template = "admin/alerts/alertrule/_ask_preview.html"
    change_form_outer_after_template = "admin/alerts/alertrule/_history.html"
    fieldsets = [
        (None, {"fields": ["name", "is_enabled"]}),
        (_("What is watched"), {"fields": ["metric", "threshold", "clears_at", "api", "product", "subscription"]}),
        (
            _("How long and how much"),
            {"fields": ["window_minutes", "least_calls", "fire_after_minutes", "clear_after_minutes"]},
        ),
        (_("Who is told"), {"fields": ["to_administrator", "emails", "users", "note"]}),
    ]

    class Media:
        css = {"all": ["css/charts.css"]}

    @label_column(_("state"), ordering="state", colours=COLOURS)
    def shown_state(self, rule: AlertRule) -> tuple[str, str]:
        return state_of(rule, timezone.now())

    @admin.display(description=_("value"))
    def shown_value(self, rule: AlertRule) -> SafeString:
        return format_html('<span class="nowrap">{}</span>', value_of(rule))

    @admin.display(description=_("fires on"))
    def shown_condition(self, rule: AlertRule) -> SafeString:
        return format_html('<span class="alert-condition">{}</span>', condition_of(rule))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        now = timezone.now()
        rule = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_context(rule, now) if rule is not None else {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        """Of a change only what the form holds is written: the worker notes meanwhile how the rule stands."""
        if not change:
            obj.save()
            return
        obj.save(update_fields=[name for name in FIELDS if name != "users"])
        if set(form.changed_data) - {"name", "note", "to_administrator", "emails", "users"}:
            handling.reset(obj, by=administrator(request), now=timezone.now())


def state_of(rule: AlertRule, now: datetime) -> tuple[str, str]:
    """A key of COLOURS, and the state in words."""
    if not rule.is_enabled:
        return "off", gettext("Switched off")
    if rule.state == AlertRule.State.FIRING:
        if rule.acknowledged_by is not None:
            return "firing", gettext("Firing; %(person)s looks after it") % {"person": rule.acknowledged_by}
        return "firing", gettext("Firing")
    if rule.muted_until is not None and rule.is_muted(now):
        return "muted", gettext("Muted until %(moment)s") % {"moment": _moment(rule.muted_until)}
    if rule.checked_at is None:
        return "unknown", gettext("Not looked at yet")
    if rule.unknown == Unknown.STANDSTILL:
        return "unknown", gettext("Unknown")
    return "ok", gettext("OK")


def value_of(rule: AlertRule) -> str:
    if rule.unknown:
        return str(Unknown(rule.unknown).label)
    return alert_words.amount(rule.metric, rule.value) or "–"


def condition_of(rule: AlertRule) -> str:
    """Such as "Weather: failed calls from 5 % on, in 30 minutes"."""
    words = gettext("%(watched)s: %(measure)s from %(threshold)s on")
    if rule.metric == AlertRule.Metric.CALLS:
        words = gettext("%(watched)s: fewer calls than %(threshold)s in %(period)s")
    elif rule.metric != AlertRule.Metric.QUOTA:
        words = gettext("%(watched)s: %(measure)s from %(threshold)s on, in %(period)s")
    return words % {
        "watched": alert_words.watched(rule.metric, rule.watched),
        "measure": alert_words.measure(rule.metric),
        "threshold": alert_words.amount(rule.metric, rule.threshold),
        "period": alert_words.period(rule.window_minutes),
    }


def _context(rule: AlertRule, now: datetime) -> dict[str, Any]:
    changes: QuerySet[AlertChange] = rule.changes.select_related("by")
    return {
        "alert_state": state_of(rule, now),
        "alert_value": value_of(rule),
        "is_muted": rule.is_muted(now),
        "is_firing": rule.state == AlertRule.State.FIRING,
        "mute_form": MuteForm(initial={"until": now + USUAL_MUTE}),
        "changes": [
            (
                change,
                alert_words.amount(change.metric, change.value),
                alert_words.amount(change.metric, change.threshold),
            )
            for change in changes[:SHOWN_CHANGES]
        ],
    }
