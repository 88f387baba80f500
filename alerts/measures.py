"""What alert rules watch, as it is now: from the roll-ups, and from the calls that wait to be added to them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Q

from alerts.models import AlertRule, Unknown
from analytics import latency, quotas, sums
from analytics.call_classes import FAILED
from analytics.lag import ingest_lag
from analytics.models import PendingCalls
from analytics.periods import QUARTER, Span, end_of_quarter
from analytics.records import QUARTER_SECONDS
from analytics.reports.totals import Selection, latencies, totals
from analytics.sums import Kind, Sums
from notifications.alert_words import Metric
from portal import heartbeat
from publisher.reading import one_moment
from subscriptions.models import Subscription

SHARE = 0.95
# The worker stores calls each second. One that has not for so long stands still; one that lets calls wait is behind.
PATIENCE = timedelta(minutes=2)
# More than so many wait only if nobody adds them to the roll-ups.
MOST_WAITING = 1_000_000

Waiting: TypeAlias = Mapping[tuple[int, Kind], Sums]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found; `value` is None where nothing can be said, and `unknown` says why."""

    value: float | None = None
    calls: int | None = None
    unknown: str = ""
    subscription: UUID | None = None


def read(rules: Iterable[AlertRule], now: datetime) -> dict[int, Reading]:
    """Of each rule, all at the same moment of the database."""
    if not is_counted(now):
        return {rule.pk: Reading(unknown=Unknown.STANDSTILL) for rule in rules}
    with one_moment():
        waiting = _waiting()
        of_quotas, of_calls = _parted(rules)
        found = quotas.rules() if of_quotas else {}
        return {rule.pk: _read(rule, waiting, now) for rule in of_calls} | {
            rule.pk: quota(rule, found, now) for rule in of_quotas
        }


def is_counted(now: datetime) -> bool:
    """Whether calls reach the database in time: if not, that there are none says nothing."""
    last, lag = heartbeat.last_beat("usage"), ingest_lag()
    is_in_time = lag is None or lag.seconds(now) <= PATIENCE.total_seconds()
    return last is not None and now - last <= PATIENCE and is_in_time


def _waiting() -> Waiting | None:
    """None where it is too much to look at in each round."""
    calls: list[sums.BriefCall] = []
    for encoded in PendingCalls.objects.order_by("pk").values_list("calls", flat=True).iterator():
        calls += sums.decode(bytes(encoded))
        if len(calls) > MOST_WAITING:
            return None
    return sums.of(calls)


def _parted(rules: Iterable[AlertRule]) -> tuple[list[AlertRule], list[AlertRule]]:
    """Those that watch quotas, and the others."""
    of_quotas: list[AlertRule] = []
    of_calls: list[AlertRule] = []
    for rule in rules:
        (of_quotas if rule.metric == Metric.QUOTA else of_calls).append(rule)
    return of_quotas, of_calls


def _read(rule: AlertRule, waiting: Waiting | None, now: datetime) -> Reading:
    if waiting is None:
        return Reading(unknown=Unknown.STANDSTILL)
    span = window_of(rule, now)
    calls, failed, buckets = _calls(rule, span, waiting)
    return judged(rule, calls, failed, lambda: buckets)


def window_of(rule: AlertRule, now: datetime) -> Span:
    """What the rule looks back, made longer to a whole quarter at its beginning."""
    start = end_of_quarter(now - timedelta(minutes=rule.window_minutes)) - QUARTER
    return Span(start, end_of_quarter(now))


def judged(rule: AlertRule, calls: int, failed: int, buckets: Callable[[], latency.Buckets]) -> Reading:
    """The value that so many calls amount to."""
    if rule.metric == Metric.CALLS:
        return Reading(float(calls), calls)
    if calls < rule.least_calls:
        return Reading(None, calls, Unknown.FEW_CALLS if calls else Unknown.NO_CALLS)
    if rule.metric == Metric.ERROR_RATE:
        return Reading(100 * failed / calls, calls)
    time = latency.quantile(buckets(), SHARE)
    return Reading(time / 1000 if time is not None else None, calls)


def selection_of(rule: AlertRule, span: Span) -> Selection:
    """The calls that the rule is about."""
    field, value = _watched(rule)
    if not field:
        return Selection(span)
    return Selection(span, Q(**{field: value}), frozenset({field}))


def _watched(rule: AlertRule) -> tuple[str, Any]:
    if rule.api_id is not None:
        return "api_id", rule.api_id
    if rule.product_id is not None:
        return "product_id", rule.product_id
    if rule.subscription_id is not None:
        return "subscription_id", rule.subscription_id
    return "", None


def _calls(rule: AlertRule, span: Span, waiting: Waiting) -> tuple[int, int, latency.Buckets]:
    """Calls, failed ones, and how their times are distributed."""
    selection = selection_of(rule, span)
    stored = totals(selection).get(())
    calls, failed = (stored.calls, stored.failed) if stored is not None else (0, 0)
    [buckets] = latencies(selection, [span]) if rule.metric == Metric.P95 else [{}]
    first, end = (int(moment.timestamp()) // QUARTER_SECONDS for moment in (span.start, span.end))
    for (quarter, kind), line in waiting.items():
        if first <= quarter < end and _is_of(kind, rule):
            calls += sum(line.classes)
            failed += line.classes[FAILED]
            latency.merge(buckets, line.total.buckets)
    return calls, failed, buckets


def _is_of(kind: Kind, rule: AlertRule) -> bool:
    subscription, api, _operation, product, _user, _country = kind
    if rule.subscription is not None:
        return subscription == rule.subscription.pk.bytes
    return (rule.api_id is None or api == rule.api_id) and (rule.product_id is None or product == rule.product_id)


def quota(rule: AlertRule, found: quotas.Rules, now: datetime) -> Reading:
    """That of the subscription which has used the most, of its product's quota or of one in it."""
    subscriptions = Subscription.objects.all()
    if rule.product_id is not None:
        subscriptions = subscriptions.filter(product=rule.product_id)
    if rule.subscription_id is not None:
        subscriptions = subscriptions.filter(pk=rule.subscription_id)
    fullest = quotas.uses(found, subscriptions, now)[:1]
    if not fullest:
        return Reading(unknown=Unknown.NO_QUOTA)
    return Reading(fullest[0].percent, None, "", fullest[0].subscription)
