"""The keys of a subscription: made new, given a value that callers already have, and shown where nobody owns it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from portal.administration.model_admin import ModelAdmin
from portal.administration.steps import administrator
from portal.key_lines import key_lines
from subscriptions import keys
from subscriptions.key_values import MAX_CHARACTERS, WeakKey
from subscriptions.models import Subscription, SubscriptionKey

Slot = SubscriptionKey.Slot
PAGE = "admin:subscriptions_subscription_keys"


class _KeyField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of the keys that were on the page: pressing twice must not replace the new one."""

    default_error_messages = {
        "invalid_choice": _("This key has been replaced meanwhile. Look at the new one first."),
    }

    def label_from_instance(self, key: Any) -> str:
        return f"{key.get_slot_display()}: {key.prefix}…"


class KeyForm(forms.Form):
    """For a new key that is made up where `value` is empty. A value that was typed is never sent back."""

    key = _KeyField(SubscriptionKey.objects.none(), label=_("Key"), empty_label=None, widget=UnfoldAdminSelectWidget())
    overlap = forms.TypedChoiceField(
        label=_("How long the old key works on"),
        choices=keys.Overlap.choices,
        coerce=lambda seconds: keys.Overlap(int(seconds)),
        widget=UnfoldAdminSelectWidget(),
    )
    value = forms.CharField(
        label=_("Value"),
        required=False,
        max_length=MAX_CHARACTERS,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}, render_value=False),
        help_text=_(
            "Empty: a new key is made up. For callers that come from another gateway, the key that they have: "
            "16 to 256 visible ASCII characters, as a machine makes them up."
        ),
    )

    def __init__(self, *args: Any, subscription: Subscription, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = subscription.keys.current().order_by("slot")
        self.fields["key"].queryset = current  # type: ignore[attr-defined]


@never_cache
@sensitive_post_parameters("value")
@sensitive_variables("form")
def keys_view(request: HttpRequest, *, pk: UUID, model_admin: ModelAdmin) -> HttpResponse:
    subscription = get_object_or_404(Subscription.objects.select_related("owner", "team", "product", "api"), pk=pk)
    if not model_admin.has_change_permission(request, subscription):
        raise PermissionDenied
    if not subscription.is_live:
        raise Http404
    form = KeyForm(subscription=subscription)
    if request.method == "POST":
        if "show" in request.POST:
            return _show(request, model_admin, subscription)
        form = KeyForm(request.POST, subscription=subscription)
        if form.is_valid() and _is_replaced(request, subscription, form):
            return redirect(PAGE, pk)
    return _page(request, model_admin, subscription, form)


def _is_replaced(request: HttpRequest, subscription: Subscription, form: KeyForm) -> bool:
    """Act; what stands in the way becomes an error of the form."""
    data, by = form.cleaned_data, administrator(request)
    slot, overlap, replaces = Slot(data["key"].slot), data["overlap"], data["key"].pk
    try:
        if data["value"]:
            keys.set_value(subscription, slot, data["value"], by=by, overlap=overlap, replaces=replaces)
        else:
            keys.regenerate(subscription, slot, by=by, overlap=overlap, replaces=replaces)
    except (WeakKey, keys.KeyRefused) as error:
        form.add_error("value", str(error))
        return False
    messages.success(request, gettext("The key is replaced."))
    return True


def _show(request: HttpRequest, model_admin: ModelAdmin, subscription: Subscription) -> HttpResponse:
    try:
        revealed = keys.reveal_to_administrator(subscription, by=administrator(request))
    except keys.KeyRefused as error:
        messages.error(request, str(error))
        return redirect(PAGE, subscription.pk)
    return _page(request, model_admin, subscription, KeyForm(subscription=subscription), revealed)


def _page(
    request: HttpRequest,
    model_admin: ModelAdmin,
    subscription: Subscription,
    form: KeyForm,
    revealed: dict[Slot, str] | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Keys of %(name)s") % {"name": subscription.display_name},
        "opts": model_admin.opts,
        "subscription": subscription,
        "key_lines": key_lines(subscription, revealed),
        "may_be_shown": subscription.owner_id is None and subscription.team_id is None,
        "form": form,
    }
    return render(request, "admin/subscriptions/subscription/keys.html", context)
