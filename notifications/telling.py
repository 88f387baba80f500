"""Tells of events: whoever wants to hear of one has rows written in the transaction that marks it as told.

So each event is told once, whichever workers run and wherever one dies.
"""

from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from events import names
from events.models import Event
from notifications import letters
from notifications.models import Mailing
from notifications.set_aside import set_aside
from webhooks import queue

BATCH = 100
TOLD_IS_KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 10_000
# What an event holds of people until it is told.
_HELD_TO_BE_TOLD = {
    names.USER_CLOSED: ("email", "person"),
    names.ALERT_FIRED: ("recipients",),
    names.ALERT_RESOLVED: ("recipients",),
}


def tell_new() -> int:
    """Tell of at most BATCH new events; returns of how many."""
    events = list(Event.objects.to_tell().select_related("by").order_by("pk")[:BATCH])
    return sum(_tell(event) for event in events)


def forget_told(now: datetime) -> int:
    """Delete events told long ago, at most so many, but for those whose mails are still being written."""
    old = Event.objects.filter(told_at__lt=now - TOLD_IS_KEPT).exclude(
        mailing__in=Mailing.objects.filter(finished_at=None)
    )
    _, rows = Event.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])).delete()
    return rows.get(Event._meta.label, 0)


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
