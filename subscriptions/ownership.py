"""Whose a subscription is: handed on to somebody else, ended with the one who goes."""

from contextlib import suppress

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Team, User
from events import names
from subscriptions import history, lifecycle
from subscriptions.models import Subscription, SubscriptionEvent

State = Subscription.State


def transfer(subscription: Subscription, *, to: User | Team, by: User | None, comment: str = "") -> Subscription:
    """Give a live subscription to a person or a team; its keys stay as they are.

    Raises LifecycleError where it has ended, is his already, or where his limit for the product is reached.
    """
    owner, team = (None, to) if isinstance(to, Team) else (to, None)
    with transaction.atomic():
        # The product first, in the order of whoever subscribes.
        product = subscription.product and lifecycle.lock_product(subscription.product)
        lifecycle.refuse_who_is_gone(to)
        row = Subscription.objects.select_for_update().get(pk=subscription.pk)
        if not row.is_live:
            raise lifecycle.LifecycleError(_("A subscription that has ended stays where it is."))
        if (row.owner, row.team) == (owner, team):
            raise lifecycle.LifecycleError(_("It belongs to them already."))
        if product is not None:
            lifecycle.refuse_over_limit(to, product)
        row.owner, row.team = owner, team
        row.save(update_fields=["owner", "team"])
        history.note(
            row,
            names.SUBSCRIPTION_TRANSFERRED,
            SubscriptionEvent.Kind.TRANSFERRED,
            by=by,
            comment=comment,
            detail=team.name if team else "",
            new_owner=owner,
        )
    return row


def end_all_of(owner: User | Team, *, by: User | None, comment: str = "") -> int:
    """Cancel the live subscriptions of a person or a team that goes, and let go of all; returns how many were live.

    History and usage stay, and name nobody. Afterwards the owner's row can be deleted.
    """
    with transaction.atomic():
        ended = 0
        for subscription in owner.subscriptions.live().order_by("pk"):
            # Somebody else may have ended it since.
            with suppress(lifecycle.WrongState):
                lifecycle.change_state(subscription, State.CANCELLED, by=by, comment=comment)
                ended += 1
        # One that came about meanwhile keeps its owner: without one, its keys would stand alone and go on.
        owner.subscriptions.filter(state__in=lifecycle.ENDED).update(owner=None, team=None)
    return ended
