"""Own calls by the key that they sent: counted one by one, as sums do not tell keys apart."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from analytics.models import Call
from portal.units import COUNT
from portal.usage import key_story
from portal.usage.asked import Asked

# Counting more takes longer than a page may.
MOST_CALLS = 200_000
MOST_ROWS = 50


@dataclass(frozen=True, slots=True)
class KeyRow:
    name: str
    calls: str
    errors: str


def by_key(asked: Asked, calls: int) -> list[KeyRow] | None:
    """The most used first; None where there are too many calls. `calls` is about how many they are."""
    if calls > MOST_CALLS:
        return None
    span = asked.choice.span
    own = Call.objects.filter(
        subscription_id__in=[one.pk for one in asked.subscriptions], at__gte=span.start, at__lt=span.end
    )
    found = list(
        own.order_by()
        .values("subscription_id", "key_prefix")
        .annotate(calls=Count("pk"), errors=Count("pk", filter=Q(response_code__gte=400)))
        .order_by("-calls")[:MOST_ROWS]
    )
    known = key_story.with_digests(asked.own.subscriptions, [row["key_prefix"] for row in found])
    return [
        KeyRow(
            str(known.get(row["key_prefix"]) or _("A key that is not known any more")),
            COUNT.exact(row["calls"]),
            COUNT.exact(row["errors"]),
        )
        for row in found
    ]
