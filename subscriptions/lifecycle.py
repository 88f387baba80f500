"""What happens to a subscription: requested, approved, suspended, ended.

Portal, admin and management API all call these functions.
"""

from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from apis.models import API
from events import names
from events.recording import record
from subscriptions import keys
from subscriptions.models import Product, Subscription, SubscriptionEvent

State = Subscription.State

# Ended states have no way out (Azure: a cancelled subscription never comes back).
TRANSITIONS: dict[str, frozenset[str]] = {
    State.SUBMITTED: frozenset({State.ACTIVE, State.REJECTED, State.CANCELLED}),
    State.ACTIVE: frozenset({State.SUSPENDED, State.CANCELLED, State.EXPIRED}),
    State.SUSPENDED: frozenset({State.ACTIVE, State.CANCELLED, State.EXPIRED}),
    State.REJECTED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}
ENDED = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED})
EVENTS = {
    State.SUBMITTED: names.SUBSCRIPTION_REQUESTED,
    State.ACTIVE: names.SUBSCRIPTION_ACTIVATED,
    State.SUSPENDED: names.SUBSCRIPTION_SUSPENDED,
    State.REJECTED: names.SUBSCRIPTION_REJECTED,
    State.CANCELLED: names.SUBSCRIPTION_CANCELLED,
    State.EXPIRED: names.SUBSCRIPTION_EXPIRED,
}


class LifecycleError(ValueError):
    """The subscription cannot do that; the text says why and is meant for the user."""


class SubscriptionsLimitReached(LifecycleError):
    def __init__(self, product: Product) -> None:
        super().__init__(
            f"Subscriptions limit reached for same user: {product.display_name} allows {product.subscriptions_limit}."
        )


class WrongState(LifecycleError):
    def __init__(self, subscription: Subscription, wanted: str) -> None:
        super().__init__(f"A subscription that is {subscription.state} cannot become {wanted}.")


def subscribe(
    *, user: User, product: Product, display_name: str, accepted_terms: str = "", now: datetime | None = None
) -> Subscription:
    """Subscribe a user to a product: active at once, or submitted where approval is needed.

    Raises LifecycleError where the product takes no subscriptions, its terms (as they are now)
    were not accepted, or the user's limit is reached.
    """
    with transaction.atomic():
        locked = Product.objects.select_for_update().get(pk=product.pk)
        if not locked.subscription_required:
            raise LifecycleError(f"{locked.display_name} is open: it is called without a subscription.")
        if locked.terms and accepted_terms != locked.terms:
            raise LifecycleError("Read and accept the terms of use first.")
        _refuse_over_limit(user, locked)
        return _create(
            Subscription(
                owner=user,
                product=locked,
                display_name=display_name,
                terms_accepted=locked.terms,
                state=State.SUBMITTED if locked.approval_required else State.ACTIVE,
            ),
            by=user,
            now=now,
        )


def create(
    *,
    display_name: str,
    by: User | None,
    owner: User | None = None,
    product: Product | None = None,
    api: API | None = None,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> Subscription:
    """A subscription made by a publisher: active at once, for a product, an API, or (neither) all APIs."""
    with transaction.atomic():
        return _create(
            Subscription(
                owner=owner,
                product=product,
                api=api,
                all_apis=product is None and api is None,
                display_name=display_name,
                expires_at=expires_at,
                state=State.ACTIVE,
            ),
            by=by,
            now=now,
        )


def _create(subscription: Subscription, *, by: User | None, now: datetime | None) -> Subscription:
    if subscription.state == State.ACTIVE:
        subscription.started_at = now or timezone.now()
    subscription.full_clean()
    subscription.save(force_insert=True)
    keys.issue_pair(subscription)
    _note(subscription, EVENTS[State(subscription.state)], by=by)
    return subscription


def _note(subscription: Subscription, event: str, *, by: User | None, comment: str = "") -> None:
    """Keep a step as the subscription's history, and as an event that people are told of."""
    SubscriptionEvent.objects.create(subscription=subscription, by=by, state=subscription.state, comment=comment)
    record(
        event,
        by=by,
        subscription=subscription,
        owner=subscription.owner_id,
        team=subscription.team_id,
        product=subscription.product_id,
        api=subscription.api_id,
        comment=comment,
    )


def _refuse_over_limit(user: User, product: Product) -> None:
    if product.subscriptions_limit is None:
        return
    live = Subscription.objects.filter(owner=user, product=product).exclude(state__in=ENDED).count()
    if live >= product.subscriptions_limit:
        raise SubscriptionsLimitReached(product)


def change_state(
    subscription: Subscription, to: State, *, by: User | None, comment: str = "", now: datetime | None = None
) -> Subscription:
    """Move a subscription to another state. Raises WrongState where TRANSITIONS does not allow it."""
    at = now or timezone.now()
    with transaction.atomic():
        row = (
            Subscription.objects.select_for_update(of=("self",))
            .select_related("owner", "product", "api")
            .get(pk=subscription.pk)
        )
        if to not in TRANSITIONS[row.state]:
            raise WrongState(row, to)
        event = names.SUBSCRIPTION_RESUMED if row.state == State.SUSPENDED and to == State.ACTIVE else EVENTS[to]
        row.state, row.state_comment = to, comment
        if to == State.ACTIVE and row.started_at is None:
            row.started_at = at
        if to in ENDED:
            row.ended_at = at
        row.save(update_fields=["state", "state_comment", "started_at", "ended_at"])
        _note(row, event, by=by, comment=comment)
    return row


def rename(subscription: Subscription, display_name: str) -> None:
    subscription.display_name = display_name
    subscription.full_clean(exclude=["owner", "product", "api"])
    subscription.save(update_fields=["display_name"])


def expire_due(now: datetime) -> int:
    """Mark active and suspended subscriptions whose time is over; the gateway already refuses them."""
    due = Subscription.objects.filter(state__in=(State.ACTIVE, State.SUSPENDED), expires_at__lte=now)
    count = 0
    for subscription in due:
        # Another worker, or a person, may have ended it since.
        with suppress(WrongState):
            change_state(subscription, State.EXPIRED, by=None, now=now)
            count += 1
    return count
