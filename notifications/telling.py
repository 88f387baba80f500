"""Tells of events: whoever wants to hear of one has rows written in the transaction that marks it as told.

So each event is told once, whichever workers run and wherever one dies.
"""

import logging

from django.db import DatabaseError, transaction
from django.utils import timezone

from events.models import Event
from notifications import letters

BATCH = 100
logger = logging.getLogger(__name__)


def tell_new() -> int:
    """Tell of at most BATCH new events; returns of how many."""
    events = list(Event.objects.filter(told_at=None).select_related("by").order_by("pk")[:BATCH])
    return sum(_tell(event) for event in events)


def _tell(event: Event) -> bool:
    try:
        with transaction.atomic():
            if not Event.objects.filter(pk=event.pk, told_at=None).update(told_at=timezone.now()):
                return False
            # Whoever tells of events is called here.
            letters.write(event)
    except DatabaseError:
        raise
    except Exception:
        # It stays to be told; the others must not wait for it.
        logger.exception("Event %s (%s) cannot be told", event.pk, event.name)
        return False
    return True
