"""The history of a subscription in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.models import User
from subscriptions.models import Subscription, SubscriptionEvent, SubscriptionKey

Kind = SubscriptionEvent.Kind
State = Subscription.State
SHOWN = 100
_STATES = {
    State.SUBMITTED: gettext_lazy("Requested"),
    State.ACTIVE: gettext_lazy("Activated"),
    State.SUSPENDED: gettext_lazy("Suspended"),
    State.REJECTED: gettext_lazy("Rejected"),
    State.CANCELLED: pgettext_lazy("a subscription", "Cancelled"),
    State.EXPIRED: gettext_lazy("Expired"),
}


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    what: str
    who: str
    comment: str


def steps_of(subscription: Subscription, viewer: User) -> list[Step]:
    """The latest first, as one of its users may know them: administrators stay unnamed."""
    teammates = set()
    if subscription.team is not None:
        teammates = set(subscription.team.members.values_list("pk", flat=True))
    events = subscription.events.select_related("by", "new_owner").order_by("-pk")[:SHOWN]
    return [Step(event.at, in_words(event), _who(event.by, viewer, teammates), event.reason) for event in events]


def _who(person: User | None, viewer: User, teammates: set[int]) -> str:
    if person is None:
        return ""
    if person == viewer:
        return _("You")
    if person.is_staff and person.pk not in teammates:
        return _("An administrator")
    return str(person)


def in_words(event: SubscriptionEvent) -> str:
    """What was done, without who and why."""
    detail = {"detail": event.detail}
    match event.kind:
        case Kind.RENAMED:
            return _("Renamed: %(detail)s") % detail
        case Kind.TRANSFERRED:
            return _transferred(event)
        case Kind.DATES:
            return _("Expires on %(detail)s") % detail if event.detail else _("Expires no more")
        case Kind.KEY_REGENERATED:
            return _("Key made new (%(slot)s): %(start)s") % _key(event.detail)
        case Kind.KEY_SET:
            return _("Key given a value of its own (%(slot)s): %(start)s") % _key(event.detail)
        case Kind.OLD_KEY_ENDED:
            return _("Old key ended (%(slot)s): %(start)s") % _key(event.detail)
        case Kind.KEYS_SHOWN:
            return _("Keys shown to an administrator")
    return str(_STATES[State(event.state)])


def _key(detail: str) -> dict[str, str]:
    """Of the slot and the visible start of a key."""
    slot, _space, start = detail.partition(" ")
    return {"slot": str(SubscriptionKey.Slot(slot).label), "start": start}


def _transferred(event: SubscriptionEvent) -> str:
    if event.detail:
        return _("Handed on to the team %(team)s") % {"team": event.detail}
    if event.new_owner is not None:
        return _("Handed on to %(person)s") % {"person": event.new_owner}
    return _("Handed on to a person who has left")
