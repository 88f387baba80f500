"""A developer's own page: his subscriptions and their keys."""

from uuid import UUID

from django.contrib import messages
from django.forms import model_to_dict
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from analytics.usage import usage_of
from apis.models import APIQuerySet
from portal.access import own_live_subscription_or_404, own_subscription_or_404
from portal.forms import SubscriptionNameForm
from portal.http import SignedInRequest
from portal.posting import posted_from
from portal.signing_in import sign_in_required
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription, SubscriptionKey, visible_apis

Slot = SubscriptionKey.Slot
APIS_LISTED = 100


@require_safe
@sign_in_required
@never_cache
def profile(request: SignedInRequest) -> HttpResponse:
    own = list(request.user.subscriptions.select_related("product", "api"))
    own.sort(key=lambda subscription: subscription.state != Subscription.State.ACTIVE)
    live = [subscription for subscription in own if subscription.is_live]
    usage = usage_of(live, timezone.now(), timezone.get_current_timezone())
    context = {
        "slots": Slot,
        "revealed": {},
        "live": [{"subscription": subscription, "usage": usage[subscription.pk]} for subscription in live],
        "ended": [subscription for subscription in own if not subscription.is_live],
    }
    return render(request, "portal/profile/profile.html", context)


@require_safe
@sign_in_required
@never_cache
def subscription(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    return _subscription_page(request, own_subscription_or_404(request.user, subscription_id))


def _subscription_page(
    request: SignedInRequest,
    subscription: Subscription,
    *,
    form: SubscriptionNameForm | None = None,
    revealed: dict[Slot, str] | None = None,
) -> HttpResponse:
    context = {
        "subscription": subscription,
        "opened_apis": _opened_apis(subscription, request.user)[:APIS_LISTED],
        "usage": usage_of([subscription], timezone.now(), timezone.get_current_timezone())[subscription.pk],
        "form": form or SubscriptionNameForm(initial=model_to_dict(subscription, ["display_name"])),
        "slots": Slot,
        "revealed": revealed or {},
    }
    return render(request, "portal/profile/subscription.html", context)


def _opened_apis(subscription: Subscription, viewer: User) -> APIQuerySet:
    """The APIs that it opens and that its owner may see."""
    visible = visible_apis(viewer).order_by("display_name")
    if subscription.product is not None:
        return visible.filter(products=subscription.product)
    if subscription.api is not None:
        return visible.filter(pk=subscription.api.pk)
    return visible


@posted_from("portal:subscription")
@sign_in_required
def rename(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    own = own_subscription_or_404(request.user, subscription_id)
    form = SubscriptionNameForm(request.POST)
    if not form.is_valid():
        return _subscription_page(request, own, form=form)
    lifecycle.rename(own, form.cleaned_data["display_name"], by=request.user)
    messages.success(request, "The new name is saved.")
    return redirect("portal:subscription", own.pk)


@require_http_methods(["GET", "POST"])
@sign_in_required
def cancel(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    own = own_subscription_or_404(request.user, subscription_id)
    if request.method == "GET":
        return render(request, "portal/profile/cancel.html", {"subscription": own})
    try:
        lifecycle.change_state(own, Subscription.State.CANCELLED, by=request.user)
    except lifecycle.WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{own.display_name} is cancelled. Its keys have stopped working.")
    return redirect("portal:profile")


@require_http_methods(["GET", "POST"])
@sign_in_required
@never_cache
def key(request: SignedInRequest, subscription_id: UUID, slot: Slot) -> HttpResponse:
    """POST shows a key, GET hides it again."""
    own = own_live_subscription_or_404(request.user, subscription_id)
    revealed = {slot: keys.reveal(own, slot)} if request.method == "POST" else {}
    if request.htmx:
        context = {"subscription": own, "slot": slot, "revealed": revealed}
        return render(request, "portal/profile/_key.html", context)
    return _subscription_page(request, own, revealed=revealed)


@require_http_methods(["GET", "POST"])
@sign_in_required
@never_cache
def regenerate(request: SignedInRequest, subscription_id: UUID, slot: Slot) -> HttpResponse:
    own = own_live_subscription_or_404(request.user, subscription_id)
    if request.method == "GET":
        return render(request, "portal/profile/regenerate.html", {"subscription": own, "slot": slot})
    keys.regenerate(own, slot)
    messages.success(request, f"The {slot} key is new. The old one has stopped working.")
    return redirect("portal:subscription", own.pk)
