"""Events that cannot be told: set aside, so that the others go on, until an administrator has them told again."""

import logging

from django.utils import timezone

from events.models import Event, EventQuerySet

logger = logging.getLogger(__name__)


def set_aside(event: Event, error: Exception) -> None:
    problem = f"{type(error).__name__}: {error}".replace("\0", "")[:500]
    Event.objects.filter(pk=event.pk).update(set_aside_at=timezone.now(), problem=problem)
    logger.error("Event %s (%s) cannot be told", event.pk, event.name, exc_info=error)


def tell_again(events: EventQuerySet) -> int:
    """Let the worker go on with those that were set aside; returns how many. Nobody gets a mail twice."""
    return events.set_aside().update(set_aside_at=None, problem="")
