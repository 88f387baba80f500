"""Tells of events: whoever wants to hear of one has rows written in the transaction that marks it as told.

So each event is told once, whichever workers run and wherever one dies.
"""

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from events import names
from events.models import Event
from notifications import letters
from notifications.set_aside import set_aside
from webhooks import queue

BATCH = 100
# What an event holds of a person who is gone, until it is told.
_HELD_TO_BE_TOLD = {names.USER_CLOSED: ("email", "person")}


def tell_new() -> int:
    """Tell of at most BATCH new events; returns of how many."""
    events = list(Event.objects.to_tell().select_related("by").order_by("pk")[:BATCH])
    return sum(_tell(event) for event in events)


def _tell(event: Event) -> bool:
    try:
        with transaction.atomic():
            if not Event.objects.filter(pk=event.pk, told_at=None).update(told_at=timezone.now()):
                return False
            # Whoever tells of events is called here.
            letters.write(event)
            queue.write(event)
            _forget(event)
    except (OperationalError, InterfaceError):
        # The database is in trouble, not the event.
        raise
    except Exception as error:
        set_aside(event, error)
        return False
    return True


def _forget(event: Event) -> None:
    held = _HELD_TO_BE_TOLD.get(event.name, ())
    if held:
        event.data = {name: value for name, value in event.data.items() if name not in held}
        event.save(update_fields=["data"])
