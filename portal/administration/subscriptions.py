"""The pages of subscriptions: requests to approve, states, keys, history."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from portal.administration import steps
from portal.administration.labels import label_column
from portal.administration.model_admin import AutocompleteFilter, ModelAdmin
from subscriptions import lifecycle
from subscriptions.models import Subscription, SubscriptionEvent, SubscriptionKey

State = Subscription.State
STATE_COLOURS = {
    State.SUBMITTED: "warning",
    State.ACTIVE: "success",
    State.SUSPENDED: "info",
    State.REJECTED: "danger",
    State.CANCELLED: "danger",
    State.EXPIRED: "danger",
}
HELP_TEXTS = {
    "allow_tracing": _("Callers who hold a debug token may see how each of its calls was processed."),
}


class EventInline(TabularInline):
    model = SubscriptionEvent
    verbose_name_plural = "history"
    extra = 0
    fields = readonly_fields = ["at", "state", "by", "comment"]
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubscriptionEvent]:
        events: QuerySet[SubscriptionEvent] = super().get_queryset(request)
        return events.select_related("by")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin):
    """States change only by the steps of the lifecycle; keys are never shown here, but for their first characters."""

    list_display = ["display_name", "shown_owner", "scope", "shown_state", "created_at", "expires_at"]
    list_filter = [
        "state",
        ("product", AutocompleteFilter),
        ("api", AutocompleteFilter),
        "all_apis",
        ("owner", AutocompleteFilter),
    ]
    list_filter_submit = True
    list_select_related = ["owner", "product", "api"]
    search_fields = ["display_name", "owner__email", "keys__prefix__startswith"]
    search_help_text = _("Name, owner's e-mail, or the first characters of a key")
    list_per_page = 50
    show_full_result_count = False
    ordering = ["-created_at"]
    autocomplete_fields = ["owner", "product", "api"]
    add_fieldsets = [
        (None, {"fields": ["display_name", "owner", "expires_at", "allow_tracing"]}),
        (
            _("Scope"),
            {
                "fields": ["product", "api", "all_apis"],
                "description": _("One of them. The policy of a product holds only for subscriptions of that product."),
            },
        ),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "display_name",
                    "shown_owner",
                    "scope",
                    "state",
                    "state_comment",
                    "expires_at",
                    "allow_tracing",
                ]
            },
        ),
        (_("Keys and dates"), {"fields": ["key_beginnings", "created_at", "started_at", "ended_at"]}),
    ]
    inlines = [EventInline]
    actions = [steps.list_action(name) for name in steps.STEPS]
    custom_urls = [("step/<slug:name>/", "subscriptions_subscription_step", steps.step_view)]
    change_form_outer_before_template = "admin/subscriptions/subscription/_steps.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Subscription | None = None) -> Sequence[str]:
        if obj is None:
            return []
        shown = ["shown_owner", "scope", "state", "state_comment", "key_beginnings"]
        fixed = ["created_at", "started_at", "ended_at"] + ([] if obj.is_live else ["expires_at"])
        return [*shown, *fixed]

    def get_form(self, request: HttpRequest, obj: Subscription | None = None, **kwargs: Any) -> Any:
        return super().get_form(request, obj, **{"help_texts": HELP_TEXTS, **kwargs})

    def get_inlines(self, request: HttpRequest, obj: Subscription | None) -> list[Any]:
        return list(self.inlines) if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        subscriptions: QuerySet[Subscription] = super().get_queryset(request)
        keys = SubscriptionKey.objects.only("slot", "prefix", "subscription").order_by("slot")
        return subscriptions.prefetch_related(Prefetch("keys", queryset=keys))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The steps; deleting many at once is not offered."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.display(description=_("owner"), ordering="owner__email")
    def shown_owner(self, subscription: Subscription) -> str:
        return subscription.owner.email if subscription.owner else gettext("No owner")

    @admin.display(description=_("scope"))
    def scope(self, subscription: Subscription) -> str:
        return subscription.scope_name

    @label_column(_("state"), ordering="state", colours=STATE_COLOURS)
    def shown_state(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.state, subscription.get_state_display()

    @admin.display(description=_("keys begin with"))
    def key_beginnings(self, subscription: Subscription) -> SafeString:
        rows = ((key.get_slot_display(), key.prefix) for key in subscription.keys.all())
        return format_html_join(" ", "<span>{}: <code>{}…</code></span>", rows)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        subscription = self.get_object(request, object_id)
        offered = steps.offered(subscription) if subscription and self.has_change_permission(request) else []
        context = {**(extra_context or {}), "offered_steps": offered}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        if change:
            changed = [name for name in ("display_name", "expires_at", "allow_tracing") if name in form.changed_data]
            if changed:
                obj.save(update_fields=changed)
            return
        made = lifecycle.create(
            display_name=obj.display_name,
            by=steps.administrator(request),
            owner=obj.owner,
            product=obj.product,
            api=obj.api,
            expires_at=obj.expires_at,
        )
        if obj.allow_tracing:
            Subscription.objects.filter(pk=made.pk).update(allow_tracing=True)
        obj.pk, obj._state.adding = made.pk, False
        obj.refresh_from_db()
