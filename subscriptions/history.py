"""What was done with a subscription: a line on its page, and an event for whoever wants to hear of it."""

from typing import Any

from accounts.models import User
from events.recording import record
from subscriptions.models import Subscription, SubscriptionEvent

Kind = SubscriptionEvent.Kind


def note(
    subscription: Subscription,
    event: str,
    kind: SubscriptionEvent.Kind = Kind.STATE,
    *,
    by: User | None,
    comment: str = "",
    detail: str = "",
    new_owner: User | None = None,
    **data: Any,
) -> None:
    """Note a step in the transaction that takes it. `data` goes into the event, beside whom and what it concerns."""
    SubscriptionEvent.objects.create(
        subscription=subscription,
        by=by,
        kind=kind,
        state=subscription.state,
        comment=comment,
        detail=detail[:300],
        new_owner=new_owner,
    )
    record(
        event,
        by=by,
        subscription=subscription,
        owner=subscription.owner_id,
        team=subscription.team_id,
        product=subscription.product_id,
        api=subscription.api_id,
        comment=comment,
        **data,
    )
