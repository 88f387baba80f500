"""What has changed since a revision, as the triggers noted it."""

from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from publisher.models import Revision, SubscriptionChange

# So many changes are told one by one; after more of them all subscriptions are read anew.
MAX_CHANGES = 1000
# A publisher that is further behind than the log goes back reads everything anew.
KEPT_CHANGES = 10_000


class Numbers(NamedTuple):
    """See `models.Revision`."""

    number: int = 0
    catalogue: int = 0
    log_start: int = 0


class Changed(NamedTuple):
    """Subscriptions by their ids, and those of these owners."""

    subscriptions: list[UUID]
    owners: list[int]


def revision() -> Numbers:
    row = Revision.objects.values_list("number", "catalogue", "log_start").first()
    return Numbers(*row) if row is not None else Numbers()


def changed_subscriptions(since: int, now: Numbers) -> Changed | None:
    """What has changed after a number. None where the log does not tell, or it is too much."""
    if not now.log_start <= since <= now.number:
        return None
    log = SubscriptionChange.objects.filter(revision__gt=since)
    found = list(log.values_list("subscription", "owner").distinct()[: MAX_CHANGES + 1])
    if len(found) > MAX_CHANGES:
        return None
    return Changed([id for id, _ in found if id is not None], [owner for _, owner in found if owner is not None])


def prune_log() -> None:
    """Forget the older part of the log when it has grown long."""
    entries = SubscriptionChange.objects.order_by("pk")
    first, last = entries.first(), entries.last()
    if first is None or last is None or last.pk - first.pk < 2 * KEPT_CHANGES:
        return
    old = entries.filter(pk__lte=last.pk - KEPT_CHANGES).exclude(revision=None)
    with transaction.atomic():
        end = old.aggregate(end=Max("revision"))["end"] or 0
        Revision.objects.filter(log_start__lt=end).update(log_start=end)
        SubscriptionChange.objects.filter(revision__lte=end).delete()
