"""The pages of subscriptions: requests to approve, states, keys, history."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.paginator import InfinitePaginator

from accounts.models import Team, User
from portal.administration.labels import label_column
from portal.administration.model_admin import AutocompleteFilter, ModelAdmin
from portal.administration.searching import words
from portal.administration.steps import administrator
from portal.administration.subscription_keys import keys_view
from portal.administration.subscription_steps import STEPS
from portal.administration.transfers import transfer_view
from portal.subscription_steps import in_words
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
# Who can be given a subscription, by the name of the field.
OWNERS: dict[str, QuerySet[Any]] = {
    "owner": User.objects.exclude(state=User.State.DELETED),
    "team": Team.objects.filter(deleted_at=None),
}
UNUSED = timedelta(days=90)
SOON = timedelta(days=30)


class UseFilter(admin.SimpleListFilter):
    title = _("use")
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("unused", _("Unused for 90 days"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.unused_since(timezone.now() - UNUSED) if self.value() == "unused" else queryset


class ExpiryFilter(admin.SimpleListFilter):
    title = _("expiry")
    parameter_name = "expiry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("soon", _("Within 30 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> QuerySet[Subscription]:
        if self.value() != "soon":
            return queryset
        return queryset.filter(state=State.ACTIVE, expires_at__lte=timezone.now() + SOON)


class EventInline(TabularInline):
    model = SubscriptionEvent
    verbose_name_plural = _("history")
    extra = 0
    fields = readonly_fields = ["at", "what", "by", "why"]
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubscriptionEvent]:
        events: QuerySet[SubscriptionEvent] = super().get_queryset(request)
        return events.select_related("by", "new_owner")

    @admin.display(description=_("step"))
    def what(self, event: SubscriptionEvent) -> str:
        return in_words(event)

    @admin.display(description=_("comment"))
    def why(self, event: SubscriptionEvent) -> str:
        return event.reason

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin):
    """States change only by the steps of the lifecycle; keys are never shown here, but for their first characters."""

    help_texts = {
        "display_name": _("As its owner and administrators read it."),
        "owner": _("The person who sees its keys and may change it."),
        "team": _("Or the team whose members share it."),
        "product": _("It opens the APIs of the product, within the limits of the product."),
        "api": _("It opens this API, without the limits of a product."),
        "all_apis": _("It opens every API, also those that are added later."),
        "allow_tracing": _("Callers who hold a debug token may see how each of its calls was processed."),
    }
    list_display = ["display_name", "shown_owner", "scope", "shown_state", "created_at", "expires_at", "last_used"]
    list_filter = [
        "state",
        UseFilter,
        ExpiryFilter,
        ("product", AutocompleteFilter),
        ("api", AutocompleteFilter),
        "all_apis",
        ("owner", AutocompleteFilter),
        ("team", AutocompleteFilter),
    ]
    list_filter_submit = True
    list_select_related = ["owner", "team", "product", "api"]
    search_fields = ["display_name", "owner", "team", "keys"]
    search_help_text = _("Name, owner's e-mail, team, or the first characters of a key")
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    ordering = ["-created_at"]
    sortable_by = ["display_name", "created_at", "expires_at"]
    autocomplete_fields = ["owner", "team", "product", "api"]
    add_fieldsets = [
        (
            None,
            {
                "fields": ["display_name", "owner", "team", "expires_at", "notice_at", "allow_tracing"],
                "description": _("Without an owner and a team it stands alone: its keys are shown here."),
            },
        ),
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
                    "why",
                    "expires_at",
                    "notice_at",
                    "allow_tracing",
                ]
            },
        ),
        (_("Keys and dates"), {"fields": ["key_beginnings", "created_at", "started_at", "ended_at"]}),
        (_("Terms of use"), {"fields": ["terms_version", "terms_accepted"]}),
    ]
    inlines = [EventInline]
    actions = STEPS.list_actions()
    custom_urls = [
        ("step/<slug:name>/", "subscriptions_subscription_step", STEPS.view),
        ("<uuid:pk>/keys/", "subscriptions_subscription_keys", keys_view),
        ("<uuid:pk>/transfer/", "subscriptions_subscription_transfer", transfer_view),
    ]
    change_form_outer_before_template = "admin/subscriptions/subscription/_steps.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Subscription | None = None) -> Sequence[str]:
        if obj is None:
            return []
        shown = ["shown_owner", "scope", "state", "why", "key_beginnings"]
        shown += ["terms_version", "terms_accepted"]
        fixed = ["created_at", "started_at", "ended_at"] + ([] if obj.is_live else ["expires_at", "notice_at"])
        return [*shown, *fixed]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in OWNERS:
            kwargs["queryset"] = OWNERS[db_field.name]
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: Subscription | None) -> list[Any]:
        return list(self.inlines) if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        subscriptions: QuerySet[Subscription] = super().get_queryset(request)
        columns = ("slot", "prefix", "ends_at", "last_used_at", "subscription")
        keys = SubscriptionKey.objects.only(*columns).order_by("slot", "-ends_at")
        return subscriptions.prefetch_related(Prefetch("keys", queryset=keys))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Subscription], search_term: str
    ) -> tuple[QuerySet[Subscription], bool]:
        """Each word is in the name, the owner's address or the team's name, or begins a key.

        What is in other tables is asked for by subqueries: with joins the database would compare whole rows, to drop
        those that it found twice.
        """
        for word in words(search_term):
            queryset = queryset.filter(
                Q(display_name__icontains=word)
                | Q(owner__in=User.objects.filter(email__icontains=word).values("pk"))
                | Q(team__in=Team.objects.filter(name__icontains=word).values("pk"))
                | Q(pk__in=SubscriptionKey.objects.filter(prefix__startswith=word).values("subscription"))
            )
        return queryset, False

    def has_delete_permission(self, request: HttpRequest, obj: Subscription | None = None) -> bool:
        """One that is live is cancelled first: its owner hears of it, and its history tells who did it."""
        return not (obj and obj.is_live) and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The steps; deleting many at once is not offered."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.display(description=_("owner"))
    def shown_owner(self, subscription: Subscription) -> str:
        return subscription.owner_name or gettext("No owner")

    @admin.display(description=_("scope"))
    def scope(self, subscription: Subscription) -> str:
        return subscription.scope_name

    @admin.display(description=_("state comment"))
    def why(self, subscription: Subscription) -> str:
        return subscription.reason or "–"

    @label_column(_("state"), colours=STATE_COLOURS)
    def shown_state(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.state, subscription.get_state_display()

    @admin.display(description=_("accepted version"))
    def terms_version(self, subscription: Subscription) -> str:
        if not subscription.terms_accepted:
            return gettext("None was accepted.")
        if subscription.product is not None and subscription.product.terms == subscription.terms_accepted:
            return gettext("The terms as they are now.")
        return gettext("An older version.")

    @admin.display(description=_("keys begin with"))
    def key_beginnings(self, subscription: Subscription) -> SafeString:
        rows = ((key.get_slot_display(), key.prefix) for key in subscription.keys.all() if key.ends_at is None)
        return format_html_join(" ", "<span>{}: <code>{}…</code></span>", rows)

    @admin.display(description=_("last used"))
    def last_used(self, subscription: Subscription) -> datetime | None:
        return max((key.last_used_at for key in subscription.keys.all() if key.last_used_at), default=None)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form has refused what cannot be; what went since is left to the operation."""
        try:
            response: HttpResponse = super().add_view(request, form_url, extra_context)
        except lifecycle.LifecycleError as error:
            messages.error(request, str(error))
            return redirect("admin:subscriptions_subscription_add")
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        subscription = self.get_object(request, object_id)
        may_be_changed = subscription is not None and subscription.is_live and self.has_change_permission(request)
        offered = STEPS.offered(subscription) if subscription is not None and may_be_changed else []
        context = {**(extra_context or {}), "may_be_changed": may_be_changed, "offered_steps": offered}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        by = administrator(request)
        if change:
            if "allow_tracing" in form.changed_data:
                obj.save(update_fields=["allow_tracing"])
            if "display_name" in form.changed_data:
                lifecycle.rename(obj, obj.display_name, by=by)
            if {"expires_at", "notice_at"} & set(form.changed_data):
                self._change_dates(request, obj)
            return
        made = lifecycle.create(
            display_name=obj.display_name,
            by=by,
            owner=obj.owner,
            team=obj.team,
            product=obj.product,
            api=obj.api,
            expires_at=obj.expires_at,
            notice_at=obj.notice_at,
        )
        if obj.allow_tracing:
            Subscription.objects.filter(pk=made.pk).update(allow_tracing=True)
        obj.pk, obj._state.adding = made.pk, False
        obj.refresh_from_db()

    def _change_dates(self, request: HttpRequest, obj: Subscription) -> None:
        by = administrator(request)
        try:
            lifecycle.change_dates(obj, expires_at=obj.expires_at, notice_at=obj.notice_at, by=by)
        except lifecycle.LifecycleError as error:
            messages.error(request, str(error))

    def response_add(
        self, request: HttpRequest, obj: Subscription, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Nobody else could look up the keys of a subscription that stands alone."""
        if obj.owner_id is None and obj.team_id is None and "_addanother" not in request.POST:
            return redirect("admin:subscriptions_subscription_keys", obj.pk)
        response: HttpResponse = super().response_add(request, obj, post_url_continue)
        return response
