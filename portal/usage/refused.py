"""Why a call was refused: found by its request id, or by the visible start of a key and a time.

Calls of one's own subscriptions are told whole. A call that no key has opened belongs to nobody: who knows its
request id reads the cause, and nothing else of it, since ids are counted and others' can be guessed from one's
own. Everybody else's calls are as unknown as ids that never were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from analytics.explanation import Explanation, explain
from analytics.models import Call
from portal.usage import key_story
from portal.usage.failed import INVALID_KEY
from portal.usage.key_story import KnownKey
from subscriptions.models import Subscription

# Around the time that somebody remembers.
WINDOW = timedelta(minutes=5)
MOST_CALLS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`call` is None where it is nobody's. `explanation` is None for a call that went well."""

    explanation: Explanation | None
    call: Call | None
    key: KnownKey | None


def by_request_id(text: str, subscriptions: Mapping[UUID, Subscription]) -> Finding | None:
    """None where there is none that the person may know of."""
    try:
        request_id = UUID(text.strip())
    except ValueError:
        return None
    call = Call.objects.filter(request_id=request_id).first()
    if call is None:
        return None
    if call.subscription_id is None:
        key = key_story.with_digests(subscriptions, [call.key_prefix]).get(call.key_prefix)
        return Finding(explain(call, None), call if key is not None else None, key)
    return _own(call, subscriptions) if call.subscription_id in subscriptions else None


def by_key(
    prefix: str, at: datetime, subscriptions: Mapping[UUID, Subscription]
) -> tuple[list[KnownKey], list[Finding]]:
    """The own keys that begin so, and the calls with them that did not go well, the nearest to that time first."""
    known = key_story.with_prefix(subscriptions, prefix)
    if not known:
        return [], []
    owners = {key.subscription.pk for key in known.values()}
    calls = Call.objects.filter(
        Q(subscription_id__in=owners) | Q(subscription_id=None, error_reason=INVALID_KEY),
        key_prefix__in=known,
        at__gte=at - WINDOW,
        at__lt=at + WINDOW,
        response_code__gte=400,
    )
    nearest = sorted(calls.order_by("-at")[: 10 * MOST_CALLS], key=lambda call: abs(call.at - at))[:MOST_CALLS]
    return list(known.values()), [
        Finding(explain(call, _subscription(call, subscriptions)), call, known[call.key_prefix]) for call in nearest
    ]


def _own(call: Call, subscriptions: Mapping[UUID, Subscription]) -> Finding:
    key = key_story.with_digests(subscriptions, [call.key_prefix]).get(call.key_prefix)
    return Finding(explain(call, _subscription(call, subscriptions)), call, key)


def _subscription(call: Call, subscriptions: Mapping[UUID, Subscription]) -> Subscription | None:
    return subscriptions.get(call.subscription_id) if call.subscription_id is not None else None
