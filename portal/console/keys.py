"""Which subscriptions' keys the console offers, and which it sends.

The page holds a subscription's id only; the server puts the key in when the call is sent.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Viewer
from apis.models import API
from portal.access import takes_subscriptions
from portal.limits import limits_of
from subscriptions.models import Product, Subscription

State = Subscription.State
_UNUSABLE = {
    State.SUBMITTED: gettext_lazy("%(subscription)s waits for approval. Choose another one."),
    State.SUSPENDED: gettext_lazy("%(subscription)s is suspended. Choose another one."),
    State.REJECTED: gettext_lazy("%(subscription)s was rejected. Choose another one."),
    State.CANCELLED: gettext_lazy("%(subscription)s is cancelled. Choose another one."),
    State.EXPIRED: gettext_lazy("%(subscription)s has expired. Choose another one."),
}


class UnusableSubscription(ValueError):
    """A chosen subscription cannot be used; the text says why and is meant for its owner."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a viewer can call an API with.

    `usable` comes best first; `waiting` are live subscriptions that cannot be used yet or now.
    `products` would give a key, and so would subscribing to the API alone where `is_offered_alone`.
    """

    is_key_needed: bool
    usable: tuple[Subscription, ...]
    waiting: tuple[Subscription, ...]
    products: tuple[Product, ...]
    is_offered_alone: bool

    @property
    def allows_tracing(self) -> bool:
        return any(subscription.allow_tracing for subscription in self.usable)


def offer(viewer: Viewer, api: API, now: datetime) -> Offer:
    products = tuple(Product.objects.visible_to(viewer).filter(apis=api, subscription_required=True))
    alone = takes_subscriptions(api)
    if not viewer.is_authenticated:
        return Offer(is_key_needed(api), (), (), products, alone)
    opening = Subscription.objects.of(viewer).opening(api).select_related("product__policy", "api")
    usable = tuple(_best_first(list(opening.usable(now))))
    waiting = tuple(opening.filter(state__in=(State.SUBMITTED, State.SUSPENDED)))
    return Offer(is_key_needed(api), usable, waiting, products, alone)


def is_key_needed(api: API) -> bool:
    """Whether the gateway refuses calls without a key: an open product lets them in."""
    return api.subscription_required and not api.products.filter(subscription_required=False).exists()


def _best_first(subscriptions: list[Subscription]) -> list[Subscription]:
    """Those without limits first, as trying out should not use up what an application needs; then the newest."""
    newest_first = sorted(subscriptions, key=lambda row: row.started_at or row.created_at, reverse=True)
    return sorted(newest_first, key=lambda row: row.product is not None and bool(limits_of(row.product)))


def chosen(viewer: Viewer, api: API, subscription_id: str, now: datetime) -> Subscription | None:
    """The viewer's subscription of that id; None where the id is empty. Raises UnusableSubscription."""
    if not subscription_id:
        return None
    if not viewer.is_authenticated:
        raise UnusableSubscription(_("Sign in to send a subscription key."))
    try:
        usable = Subscription.objects.of(viewer).select_related("product", "api")
        own = usable.filter(pk=UUID(subscription_id)).first()
    except ValueError:
        own = None
    if own is None:
        raise UnusableSubscription(_("Choose one of your subscriptions."))
    if own.state != State.ACTIVE:
        raise UnusableSubscription(_UNUSABLE[State(own.state)] % {"subscription": own.display_name})
    if own.expires_at is not None and own.expires_at <= now:
        raise UnusableSubscription(_UNUSABLE[State.EXPIRED] % {"subscription": own.display_name})
    if not Subscription.objects.filter(pk=own.pk).opening(api).exists():
        raise UnusableSubscription(
            _("%(subscription)s (%(scope)s) does not open %(api)s.")
            % {"subscription": own.display_name, "scope": own.scope_name, "api": api.display_name}
        )
    return own
