"""What happens to a subscription: requested, approved, suspended, ended.

Portal, admin and management API all call these functions.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Team, User
from apis.models import API
from events import names
from subscriptions import history, keys
from subscriptions.models import Product, Subscription, SubscriptionEvent

Kind = SubscriptionEvent.Kind
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
# Each one that a developer makes has keys, and a mail to the publisher.
SUBSCRIPTIONS_PER_HOUR = 50
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
            _("Subscriptions limit reached for same user: %(product)s allows %(limit)s.")
            % {"product": product.display_name, "limit": product.subscriptions_limit}
        )


class TooManySubscriptions(LifecycleError):
    def __init__(self) -> None:
        text = _("You can make %(count)d subscriptions an hour. Make this one later.")
        super().__init__(text % {"count": SUBSCRIPTIONS_PER_HOUR})


class WrongState(LifecycleError):
    def __init__(self, subscription: Subscription, wanted: str) -> None:
        states = {"state": State(subscription.state).label.lower(), "wanted": State(wanted).label.lower()}
        super().__init__(_("A subscription that is %(state)s cannot become %(wanted)s.") % states)


def subscribe(
    *,
    user: User,
    product: Product,
    display_name: str,
    accepted_terms: str = "",
    team: Team | None = None,
    now: datetime | None = None,
) -> Subscription:
    """Subscribe a user, or a team of his, to a product: active at once, or submitted where approval is needed.

    Raises LifecycleError where the product takes no subscriptions, its terms (as they are now)
    were not accepted, he does not own the team, the limit of user or team is reached, or he has made very many.
    """
    with transaction.atomic():
        locked = lock_product(product)
        if not locked.subscription_required:
            raise LifecycleError(
                _("%(product)s is open: it is called without a subscription.") % {"product": locked.display_name}
            )
        if locked.terms and accepted_terms != locked.terms:
            raise LifecycleError(_("Read and accept the terms of use first."))
        refuse_foreign_team(user, team)
        refuse_over_limit(team or user, locked)
        _refuse_haste(user)
        return _create(
            Subscription(
                owner=None if team else user,
                team=team,
                product=locked,
                display_name=display_name,
                terms_accepted=locked.terms,
                state=State.SUBMITTED if locked.approval_required else State.ACTIVE,
            ),
            by=user,
            now=now,
        )


def subscribe_to_api(
    *, user: User, api: API, display_name: str, team: Team | None = None, now: datetime | None = None
) -> Subscription:
    """Subscribe a user, or a team of his, to one API, where it offers that. Raises LifecycleError."""
    with transaction.atomic():
        locked = API.objects.select_for_update().get(pk=api.pk)
        if locked.subscribing == API.Subscribing.NOT_OFFERED:
            raise LifecycleError(
                _("%(name)s takes no subscriptions of its own: subscribe to a product.") % {"name": locked.display_name}
            )
        refuse_foreign_team(user, team)
        _refuse_haste(user)
        return _create(
            Subscription(
                owner=None if team else user,
                team=team,
                api=locked,
                display_name=display_name,
                state=State.SUBMITTED if locked.subscribing == API.Subscribing.APPROVAL else State.ACTIVE,
            ),
            by=user,
            now=now,
        )


def create(
    *,
    display_name: str,
    by: User | None,
    owner: User | None = None,
    team: Team | None = None,
    product: Product | None = None,
    api: API | None = None,
    expires_at: datetime | None = None,
    notice_at: datetime | None = None,
    now: datetime | None = None,
) -> Subscription:
    """A subscription made by a publisher: active at once, for a product, an API, or (neither) all APIs.

    Raises LifecycleError where product, team or owner went meanwhile.
    """
    with transaction.atomic():
        if product is not None:
            product = lock_product(product)
        return _create(
            Subscription(
                owner=owner,
                team=team,
                product=product,
                api=api,
                all_apis=product is None and api is None,
                display_name=display_name,
                expires_at=expires_at,
                notice_at=notice_at,
                state=State.ACTIVE,
            ),
            by=by,
            now=now,
        )


def _create(subscription: Subscription, *, by: User | None, now: datetime | None) -> Subscription:
    refuse_who_is_gone(subscription.owner or subscription.team)
    if subscription.state == State.ACTIVE:
        subscription.started_at = now or timezone.now()
    subscription.full_clean()
    subscription.save(force_insert=True)
    keys.issue_pair(subscription)
    history.note(subscription, EVENTS[State(subscription.state)], by=by)
    return subscription


def lock_product(product: Product) -> Product:
    """Its row as it is now, which nobody changes or deletes before the transaction ends. Raises LifecycleError."""
    locked = Product.objects.select_for_update().filter(pk=product.pk).first()
    if locked is None:
        raise LifecycleError(_("%(product)s is not offered any more.") % {"product": product.display_name})
    return locked


def refuse_who_is_gone(owner: User | Team | None) -> None:
    """Nobody closes the account, or deletes the team, before what it is given is there. Raises LifecycleError."""
    if isinstance(owner, Team):
        if not Team.objects.select_for_update().filter(pk=owner.pk, deleted_at=None).exists():
            raise LifecycleError(_("The team is deleted."))
    elif owner is not None:
        found = User.objects.select_for_update().exclude(state=User.State.DELETED).filter(pk=owner.pk)
        if not found.exists():
            raise LifecycleError(_("The account is closed."))


def refuse_foreign_team(user: User, team: Team | None) -> None:
    if team is None:
        return
    # Nobody deletes the team, or takes the person out of it, before the subscription is there.
    Team.objects.select_for_update().filter(pk=team.pk).first()
    if not Team.objects.owned_by(user).filter(pk=team.pk).exists():
        raise LifecycleError(_("Only an owner of a team acts for it."))


def _refuse_haste(user: User) -> None:
    """Whoever subscribes and cancels in turns would fill the database and the publisher's mailbox."""
    if user.is_staff:
        return
    since = timezone.now() - timedelta(hours=1)
    lately = SubscriptionEvent.objects.filter(by=user, at__gt=since, subscription__created_at__gt=since)
    if lately.values("subscription").distinct().count() >= SUBSCRIPTIONS_PER_HOUR:
        raise TooManySubscriptions


def refuse_over_limit(owner: User | Team, product: Product) -> None:
    """A product's limit counts for each person and for each team. The product's row is locked meanwhile."""
    if product.subscriptions_limit is None:
        return
    live = owner.subscriptions.filter(product=product).exclude(state__in=ENDED).count()
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
            # The keys stopped then, however late the worker notes it; a month that it reaches into is not billed.
            row.ended_at = row.expires_at if to == State.EXPIRED and row.expires_at else at
        row.save(update_fields=["state", "state_comment", "started_at", "ended_at"])
        history.note(row, event, by=by, comment=comment)
    return row


def rename(subscription: Subscription, display_name: str, *, by: User | None) -> None:
    with transaction.atomic():
        row = Subscription.objects.select_for_update().get(pk=subscription.pk)
        before, row.display_name = row.display_name, display_name
        if before == display_name:
            return
        row.full_clean(exclude=["owner", "team", "product", "api"])
        row.save(update_fields=["display_name"])
        detail = f"{before} → {display_name}"
        history.note(row, names.SUBSCRIPTION_RENAMED, Kind.RENAMED, by=by, detail=detail)


def change_dates(
    subscription: Subscription,
    *,
    expires_at: datetime | None,
    notice_at: datetime | None,
    by: User | None,
    now: datetime | None = None,
) -> None:
    """Let a live subscription expire at another time, or never. Raises LifecycleError where it has ended."""
    with transaction.atomic():
        row = Subscription.objects.select_for_update().get(pk=subscription.pk)
        if (row.expires_at, row.notice_at) == (expires_at, notice_at):
            return
        is_over = row.expires_at is not None and row.expires_at <= (now or timezone.now())
        if is_over or not row.is_live:
            raise LifecycleError(_("A subscription that has ended keeps its dates: subscribe anew."))
        row.expires_at, row.notice_at = expires_at, notice_at
        row.full_clean(exclude=["owner", "team", "product", "api"])
        row.save(update_fields=["expires_at", "notice_at"])
        detail = f"{expires_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if expires_at else ""
        history.note(row, names.SUBSCRIPTION_DATES_CHANGED, Kind.DATES, by=by, detail=detail, expires_at=expires_at)


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
