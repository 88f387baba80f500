"""A person's own calls that were answered with 400 or above, as long as single calls are kept.

Among them are those that still send a key which was replaced: they have no subscription, and are
known by the start of the key's digest.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts.models import Viewer
from analytics.models import Call
from analytics.periods import Span
from subscriptions.models import FormerKey, Subscription

INVALID_KEY = "SubscriptionKeyInvalid"
BACKEND = "backend"
# The newest: more keys than that nobody has in his programs.
MOST_FORMER_KEYS = 500
# Counting more takes longer than a page may.
COUNTED = 5_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them: `reason` is the gateway's word for it, BACKEND for what the backend answered, or empty for all."""

    subscriptions: frozenset[UUID]
    span: Span
    api: int | None = None
    reason: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Failures:
    """How many calls ended alike; the reason is empty where the backend answered so."""

    reason: str
    status: int
    calls: int


@dataclass(frozen=True, slots=True)
class Census:
    """What they ended by, the most frequent first, and which APIs were called; of the latest COUNTED calls.

    `since` is when the first of these was; None where these are all.
    """

    failures: Sequence[Failures]
    apis: Sequence[int]
    since: datetime | None


def latest(wanted: Wanted, *, count: int, before: Call | None = None) -> list[Call]:
    """So many, the latest first, of those before a call."""
    earlier = Q(at__lt=before.at) | Q(at=before.at, pk__lt=before.pk) if before is not None else Q()
    found = [calls.filter(earlier).order_by("-at", "-pk")[:count] for calls in _parts(wanted)]
    return list(islice(merge(*found, key=lambda call: (call.at, call.pk), reverse=True), count))


def census(wanted: Wanted) -> Census:
    found = [
        calls.order_by("-at", "-pk").values_list("at", "error_reason", "response_code", "api_id")[: COUNTED + 1]
        for calls in _parts(wanted)
    ]
    latest_first = list(islice(merge(*found, key=lambda row: row[0], reverse=True), COUNTED + 1))
    counted = latest_first[:COUNTED]
    causes = Counter((reason, status) for _at, reason, status, _api in counted)
    return Census(
        [Failures(reason, status, number) for (reason, status), number in causes.most_common()],
        sorted({api for *_rest, api in counted if api is not None}),
        since=counted[-1][0] if len(latest_first) > COUNTED else None,
    )


def kept_since(now: datetime) -> datetime:
    """From when on single calls are kept."""
    return now - timedelta(days=settings.RAW_CALL_DAYS)


def is_own(call: Call, subscriptions: Iterable[UUID]) -> bool:
    own = frozenset(subscriptions)
    if call.subscription_id is not None:
        return call.subscription_id in own
    return call.error_reason == INVALID_KEY and call.key_prefix in _former_keys(own)


def own_call(viewer: Viewer, request_id: str) -> Call | None:
    """The call of this id if it is one of the viewer's own."""
    try:
        wanted = UUID(request_id)
    except ValueError:
        return None
    if not viewer.is_authenticated:
        return None
    call = Call.objects.filter(request_id=wanted).first()
    own = Subscription.objects.of(viewer).values_list("pk", flat=True)
    return call if call is not None and is_own(call, own) else None


def _parts(wanted: Wanted) -> list[QuerySet[Call]]:
    """Two, as each has an index of its own."""
    conditions = Q(at__gte=wanted.span.start, at__lt=wanted.span.end, response_code__gte=400)
    if wanted.api is not None:
        conditions &= Q(api_id=wanted.api)
    if wanted.reason:
        conditions &= Q(error_reason="" if wanted.reason == BACKEND else wanted.reason)
    if wanted.status is not None:
        conditions &= Q(response_code=wanted.status)
    calls = Call.objects.filter(conditions)
    former = _former_keys(wanted.subscriptions)
    return [
        calls.filter(subscription_id__in=wanted.subscriptions),
        calls.filter(subscription_id=None, error_reason=INVALID_KEY, key_prefix__in=former),
    ]


def _former_keys(subscriptions: frozenset[UUID]) -> frozenset[str]:
    newest = FormerKey.objects.filter(subscription__in=subscriptions).order_by("-pk")
    return frozenset(newest.values_list("digest_start", flat=True)[:MOST_FORMER_KEYS])
