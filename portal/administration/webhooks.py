"""The pages of webhooks: endpoints and how they do, and what was sent to them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminSelectWidget

from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin
from portal.administration.people import ReadOnlyInline
from portal.administration.read_only import ReadOnlyAdmin
from portal.administration.webhook_form import WebhookForm
from webhooks import queue
from webhooks.endpoints import Overlap, put_new_secret, rotate_secret
from webhooks.models import Attempt, Delivery, Endpoint

State = Delivery.State
STATE_COLOURS = {State.WAITING: "info", State.DELIVERED: "success", State.FAILED: "danger", State.CANCELLED: "warning"}
HEALTH_COLOURS = {"good": "success", "bad": "danger", "off": "warning", "new": "info"}
SHOWN_EVENTS = 3


class RotationForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label=_("How long the old secret signs as well"),
        choices=Overlap.choices,
        coerce=lambda seconds: Overlap(int(seconds)),
        initial=Overlap.DAY,
        widget=UnfoldAdminSelectWidget(),
    )


@never_cache
def secret_view(request: HttpRequest, *, pk: int, model_admin: ModelAdmin) -> HttpResponse:
    """GET asks; POST makes a new secret and shows it, this once."""
    endpoint = _changeable(request, pk, model_admin)
    form = RotationForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _secret_page(request, endpoint, model_admin, form=form)
    with transaction.atomic():
        secret = rotate_secret(endpoint, form.cleaned_data["overlap"], timezone.now())
        model_admin.log_change(request, endpoint, gettext("A new secret was made."))
    return _secret_page(request, endpoint, model_admin, secret=secret)


def _secret_page(
    request: HttpRequest, endpoint: Endpoint, model_admin: ModelAdmin, *, secret: str = "", form: Any = None
) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Secret of %(name)s") % {"name": endpoint.name},
        "opts": model_admin.opts,
        "endpoint": endpoint,
        "secret": secret,
        "form": form,
    }
    return render(request, "admin/webhooks/endpoint/secret.html", context)


@require_POST
def test_view(request: HttpRequest, *, pk: int, model_admin: ModelAdmin) -> HttpResponse:
    endpoint = _changeable(request, pk, model_admin)
    if not endpoint.is_active:
        messages.error(request, gettext("It is switched off: nothing is sent to it."))
        return redirect("admin:webhooks_endpoint_change", pk)
    delivery = queue.write_test(endpoint, timezone.now())
    messages.success(request, gettext("A test event is on its way. Load the page again to see what became of it."))
    return redirect("admin:webhooks_delivery_change", delivery.pk)


def _changeable(request: HttpRequest, pk: int, model_admin: ModelAdmin) -> Endpoint:
    endpoint = get_object_or_404(Endpoint, pk=pk)
    if not model_admin.has_change_permission(request, endpoint):
        raise PermissionDenied
    return endpoint


@admin.register(Endpoint)
class EndpointAdmin(ModelAdmin):
    help_texts = {
        "name": _("As administrators read it."),
        "url": _("Where each event is sent, by POST."),
        "description": _("For administrators: what receives the events."),
        "is_active": _("Off: it gets nothing; what waits for it is sent when it is on again."),
    }
    form = WebhookForm
    list_display = ["name", "url", "shown_events", "health", "last_success_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "url"]
    list_per_page = 50
    readonly_fields = ["health_in_words", "last_success_at", "failing_since"]
    custom_urls = [
        ("<int:pk>/secret/", "webhooks_endpoint_secret", secret_view),
        ("<int:pk>/test/", "webhooks_endpoint_test", test_view),
    ]
    change_form_outer_before_template = "admin/webhooks/endpoint/_links.html"
    fieldsets = [
        (None, {"fields": ["name", "url", "allows_http", "description", "is_active"]}),
        (_("Health"), {"fields": ["health_in_words", "last_success_at", "failing_since"]}),
        (_("What is sent"), {"fields": ["events", "headers"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        return self.fieldsets if obj else [self.fieldsets[0], self.fieldsets[2]]

    @admin.display(description=_("events"))
    def shown_events(self, endpoint: Endpoint) -> str:
        shown = ", ".join(endpoint.events[:SHOWN_EVENTS])
        more = len(endpoint.events) - SHOWN_EVENTS
        if more <= 0:
            return shown
        text = ngettext("%(events)s and %(count)s more", "%(events)s and %(count)s more", more)
        return text % {"events": shown, "count": more}

    @label_column(_("health"), colours=HEALTH_COLOURS)
    def health(self, endpoint: Endpoint) -> tuple[str, str]:
        if not endpoint.is_active:
            return "off", endpoint.switched_off_because or gettext("Switched off")
        if endpoint.failing_since is not None:
            since = date_format(timezone.localtime(endpoint.failing_since), "SHORT_DATETIME_FORMAT")
            return "bad", gettext("Failing since %(moment)s") % {"moment": since}
        return ("good", gettext("Works")) if endpoint.last_success_at else ("new", gettext("Not used yet"))

    @admin.display(description=_("health"))
    def health_in_words(self, endpoint: Endpoint) -> str:
        return self.health(endpoint)[1]

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        """Of a change only what the form holds is written: the worker notes meanwhile how deliveries went."""
        if not change:
            obj.new_secret = put_new_secret(obj)  # type: ignore[attr-defined]
            obj.save()
            return
        fields = [*WebhookForm.Meta.fields, "sealed_headers"]
        if "is_active" in form.changed_data:
            obj.failing_since, obj.switched_off_because = None, ""
            fields += ["failing_since", "switched_off_because"]
        obj.save(update_fields=fields)

    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: str | None = None) -> HttpResponse:
        """The only time that the secret is seen. A reload cannot add a second one: names are unique."""
        return _secret_page(request, obj, self, secret=obj.new_secret)  # type: ignore[attr-defined]


class AttemptInline(ReadOnlyInline):
    model = Attempt
    hide_title = True
    verbose_name_plural = _("attempts")
    fields = readonly_fields = ["at", "result", "duration", "shown_headers", "shown_answer"]

    @admin.display(description=_("result"))
    def result(self, attempt: Attempt) -> str:
        return str(attempt)

    @admin.display(description=_("duration"))
    def duration(self, attempt: Attempt) -> str:
        return gettext("%(count)s ms") % {"count": attempt.milliseconds}

    @admin.display(description=_("request headers"))
    def shown_headers(self, attempt: Attempt) -> SafeString:
        lines = format_html_join("\n", "{}: {}", sorted(attempt.headers.items()))
        return format_html('<pre class="sent">{}</pre>', lines)

    @admin.display(description=_("answer"))
    def shown_answer(self, attempt: Attempt) -> SafeString:
        return format_html('<pre class="sent">{}</pre>', attempt.answer)


def _may_change(request: HttpRequest) -> bool:
    return request.user.has_perm("webhooks.change_delivery")


@require_POST
def replay_view(request: HttpRequest, *, pk: int, model_admin: "DeliveryAdmin") -> HttpResponse:
    return _act_on_one(request, pk, model_admin.replay, model_admin)


@require_POST
def cancel_view(request: HttpRequest, *, pk: int, model_admin: "DeliveryAdmin") -> HttpResponse:
    return _act_on_one(request, pk, model_admin.cancel, model_admin)


def _act_on_one(request: HttpRequest, pk: int, action: Any, model_admin: "DeliveryAdmin") -> HttpResponse:
    if not _may_change(request):
        raise PermissionDenied
    delivery = get_object_or_404(Delivery, pk=pk)
    action(request, Delivery.objects.filter(pk=delivery.pk))
    return redirect("admin:webhooks_delivery_change", pk)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["type", "endpoint", "shown_state", "attempts", "last_result", "created_at", "next_attempt"]
    list_filter = ["state", "endpoint", "type"]
    list_select_related = ["endpoint"]
    search_fields = ["=message_id"]
    search_help_text = _("Message ID")
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        "type",
        "endpoint",
        "state",
        "message_id",
        "created_at",
        "next_attempt",
        "finished_at",
        "shown_body",
    ]
    inlines = [AttemptInline]
    actions = ["replay", "cancel"]
    custom_urls = [
        ("<int:pk>/replay/", "webhooks_delivery_replay", replay_view),
        ("<int:pk>/cancel/", "webhooks_delivery_cancel", cancel_view),
    ]
    change_form_outer_before_template = "admin/webhooks/delivery/_links.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        deliveries: QuerySet[Delivery] = super().get_queryset(request)
        is_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return deliveries if is_one else deliveries.defer("body")

    @label_column(_("state"), ordering="state", colours=STATE_COLOURS)
    def shown_state(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @admin.display(description=_("next attempt"), ordering="next_attempt_at")
    def next_attempt(self, delivery: Delivery) -> str:
        if delivery.state != State.WAITING:
            return "-"
        if not delivery.endpoint.is_active:
            return gettext("When it is switched on again")
        return date_format(timezone.localtime(delivery.next_attempt_at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("body"))
    def shown_body(self, delivery: Delivery) -> SafeString:
        return format_html('<pre class="sent">{}</pre>', delivery.body)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "may_be_changed": _may_change(request), "waiting": State.WAITING}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def has_send_permission(self, request: HttpRequest) -> bool:
        return _may_change(request)

    @admin.action(description=_("Send again"), permissions=["send"])
    def replay(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        count = queue.replay(deliveries, timezone.now())
        done = ngettext("%(count)s delivery is sent again.", "%(count)s deliveries are sent again.", count)
        _tell(request, count, done, gettext("Nothing is sent again: what waits is sent anyway."))

    @admin.action(description=_("Cancel"), permissions=["send"])
    def cancel(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        count = queue.cancel(deliveries, timezone.now())
        done = ngettext("%(count)s delivery is cancelled.", "%(count)s deliveries are cancelled.", count)
        _tell(request, count, done, gettext("Nothing is cancelled: nothing of it waits."))


def _tell(request: HttpRequest, count: int, done: str, nothing: str) -> None:
    if count:
        messages.success(request, done % {"count": count})
    else:
        messages.warning(request, nothing)
