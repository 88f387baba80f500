"""A developer's subscriptions, his own and those of his teams, with their keys."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.forms import model_to_dict
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Team, User
from analytics.limits import standing_of
from analytics.usage import usage_of
from apis.models import API, APIQuerySet
from portal.access import (
    changeable_subscription_or_404,
    live_changeable_subscription_or_404,
    live_subscription_or_404,
    subscribable_api_or_404,
    subscription_or_404,
)
from portal.forms import ForWhomForm, RegenerateForm, SubscriptionNameForm, TransferForm
from portal.http import SignedInRequest
from portal.key_lines import key_line, key_lines
from portal.limit_lines import limits_in_words
from portal.plans import month_in_words
from portal.posting import posted_from
from portal.signing_in import sign_in_required
from portal.subscription_steps import steps_of
from subscriptions import keys, lifecycle
from subscriptions.models import Product, Subscription, SubscriptionKey, visible_apis
from subscriptions.ownership import transfer as transfer_to

Slot = SubscriptionKey.Slot
APIS_LISTED = 100


@require_safe
@sign_in_required
@never_cache
def listed(request: SignedInRequest) -> HttpResponse:
    own = list(Subscription.objects.of(request.user).select_related("product", "api", "team").prefetch_related("keys"))
    own.sort(key=lambda subscription: subscription.state != Subscription.State.ACTIVE)
    live = [subscription for subscription in own if subscription.is_live]
    now = timezone.now()
    usage = usage_of(live, now, timezone.get_current_timezone())
    limits = limits_in_words(standing_of(live, now))
    owned_teams = set(Team.objects.owned_by(request.user).values_list("pk", flat=True))
    context = {
        "live": [
            {
                "subscription": subscription,
                "usage": usage[subscription.pk],
                "limits": limits[subscription.pk],
                "key_lines": key_lines(subscription),
                "may_change": subscription.team_id is None or subscription.team_id in owned_teams,
            }
            for subscription in live
        ],
        "ended": [subscription for subscription in own if not subscription.is_live],
        "seen_products": _seen_products(own, request.user),
    }
    return render(request, "portal/profile/profile.html", context)


@require_safe
@sign_in_required
@never_cache
def subscription(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    return _subscription_page(request, subscription_or_404(request.user, subscription_id))


def _subscription_page(
    request: SignedInRequest,
    subscription: Subscription,
    *,
    form: SubscriptionNameForm | None = None,
    revealed: dict[Slot, str] | None = None,
) -> HttpResponse:
    may_change = Subscription.objects.changeable_by(request.user).filter(pk=subscription.pk).exists()
    now = timezone.now()
    context = {
        "subscription": subscription,
        "opened_apis": _opened_apis(subscription, request.user)[:APIS_LISTED],
        "seen_products": _seen_products([subscription], request.user),
        "usage": usage_of([subscription], now, timezone.get_current_timezone())[subscription.pk],
        "limits": limits_in_words(standing_of([subscription], now))[subscription.pk],
        "month": month_in_words(subscription, now),
        "form": form or SubscriptionNameForm(initial=model_to_dict(subscription, ["display_name"])),
        "key_lines": key_lines(subscription, revealed or {}),
        "may_change": may_change,
        "may_transfer": may_change and _other_teams(request.user, subscription).exists(),
        "steps": steps_of(subscription, request.user),
    }
    return render(request, "portal/profile/subscription.html", context)


def _seen_products(subscriptions: Iterable[Subscription], viewer: User) -> set[int]:
    """Those of the subscribed products whose pages the viewer may open."""
    subscribed = [one.product_id for one in subscriptions if one.product_id is not None]
    return set(Product.objects.visible_to(viewer).filter(pk__in=subscribed).values_list("pk", flat=True))


def _opened_apis(subscription: Subscription, viewer: User) -> APIQuerySet:
    """The APIs that it opens and that the viewer may see."""
    visible = visible_apis(viewer).order_by("display_name")
    if subscription.product is not None:
        return visible.filter(products=subscription.product)
    if subscription.api is not None:
        return visible.filter(pk=subscription.api.pk)
    return visible


@require_http_methods(["GET", "POST"])
@sign_in_required
def subscribe_to_api(request: SignedInRequest, api: str) -> HttpResponse:
    shown = subscribable_api_or_404(request.user, api)
    is_sent = request.method == "POST"
    form = ForWhomForm(
        request.POST if is_sent else None, viewer=request.user, initial={"display_name": shown.display_name}
    )
    if is_sent and form.is_valid():
        try:
            made = lifecycle.subscribe_to_api(
                user=request.user,
                api=shown,
                display_name=form.cleaned_data["display_name"],
                team=form.owning_team,
            )
        except lifecycle.LifecycleError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, outcome(made))
            return redirect("portal:subscription", made.pk)
    context = {"api": shown, "needs_approval": shown.subscribing == API.Subscribing.APPROVAL, "form": form}
    return render(request, "portal/profile/subscribe_to_api.html", context)


def outcome(made: Subscription) -> str:
    """What to tell who has just subscribed."""
    if made.state == Subscription.State.SUBMITTED:
        return _("Your request was sent. You get an e-mail when it is decided.")
    return _("You are subscribed. Your keys are below.")


@posted_from("portal:subscription")
@sign_in_required
def rename(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    own = changeable_subscription_or_404(request.user, subscription_id)
    form = SubscriptionNameForm(request.POST)
    if not form.is_valid():
        return _subscription_page(request, own, form=form)
    lifecycle.rename(own, form.cleaned_data["display_name"], by=request.user)
    messages.success(request, _("The new name is saved."))
    return redirect("portal:subscription", own.pk)


@require_http_methods(["GET", "POST"])
@sign_in_required
def cancel(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    own = changeable_subscription_or_404(request.user, subscription_id)
    if request.method == "GET":
        return render(request, "portal/profile/cancel.html", {"subscription": own})
    try:
        lifecycle.change_state(own, Subscription.State.CANCELLED, by=request.user)
    except lifecycle.WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, _("%(name)s is cancelled. Its keys have stopped working.") % {"name": own.display_name}
        )
    return redirect("portal:profile")


@require_http_methods(["GET", "POST"])
@sign_in_required
def transfer(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    own = live_changeable_subscription_or_404(request.user, subscription_id)
    is_sent = request.method == "POST"
    form = TransferForm(request.POST if is_sent else None, teams=_other_teams(request.user, own))
    if is_sent and form.is_valid():
        team = form.cleaned_data["team"]
        try:
            transfer_to(own, to=team, by=request.user, comment=form.cleaned_data["comment"])
        except lifecycle.LifecycleError as error:
            form.add_error(None, str(error))
        else:
            texts = {"name": own.display_name, "team": team.name}
            messages.success(request, _("%(name)s belongs to the team %(team)s now.") % texts)
            return redirect("portal:subscription", own.pk)
    return render(request, "portal/profile/transfer.html", {"subscription": own, "form": form})


def _other_teams(user: User, subscription: Subscription) -> QuerySet[Team]:
    """The teams to which he can give it: those that he is in."""
    return Team.objects.of(user).exclude(subscriptions=subscription)


# -- Keys --------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@sign_in_required
@never_cache
def key(request: SignedInRequest, subscription_id: UUID, slot: Slot) -> HttpResponse:
    """POST shows a key, GET hides it again."""
    own = live_subscription_or_404(request.user, subscription_id)
    revealed = {slot: keys.reveal(own, slot)} if request.method == "POST" else {}
    if request.htmx:
        may_change = Subscription.objects.changeable_by(request.user).filter(pk=own.pk).exists()
        context = {"subscription": own, "line": key_line(own, slot, revealed), "may_change": may_change}
        return render(request, "portal/profile/_key.html", context)
    return _subscription_page(request, own, revealed=revealed)


@require_http_methods(["GET", "POST"])
@sign_in_required
@never_cache
def regenerate(request: SignedInRequest, subscription_id: UUID, slot: Slot) -> HttpResponse:
    own = live_changeable_subscription_or_404(request.user, subscription_id)
    line = key_line(own, slot)
    form = RegenerateForm(request.POST or None, initial={"replaces": line.row.pk})
    if request.method == "POST" and form.is_valid():
        try:
            keys.regenerate(own, slot, by=request.user, **form.cleaned_data)
        except keys.KeyRefused as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _key_is_new(form.cleaned_data["overlap"]))
        return redirect("portal:subscription", own.pk)
    return render(request, "portal/profile/regenerate.html", {"subscription": own, "line": line, "form": form})


def _key_is_new(overlap: keys.Overlap) -> str:
    if overlap == keys.Overlap.NONE:
        return _("The key is new. The old one has stopped working.")
    return _("The key is new. The old one works on as chosen.")


@posted_from("portal:subscription")
@sign_in_required
def end_old_key(request: SignedInRequest, subscription_id: UUID) -> HttpResponse:
    own = live_changeable_subscription_or_404(request.user, subscription_id)
    slot = request.POST.get("slot", "")
    if slot in Slot.values and keys.end_old(own, Slot(slot), by=request.user):
        messages.success(request, _("The old key has stopped working."))
    else:
        messages.info(request, _("There is no such old key any more."))
    return redirect("portal:subscription", own.pk)
