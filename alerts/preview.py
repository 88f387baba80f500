"""How often a rule would have fired lately, had it been there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerts.conditions import Standing, Verdict, step, verdict
from alerts.measures import Reading, judged, quota, selection_of
from alerts.models import AlertRule, Unknown
from analytics import latency, quotas
from analytics.periods import QUARTER, Span, end_of_quarter
from analytics.reports.totals import by_start, latencies
from notifications.alert_words import Metric

DAYS = 7


@dataclass(frozen=True, slots=True)
class Firing:
    """`end` is None where it goes on; `value` is the one that it fired with."""

    start: datetime
    end: datetime | None
    value: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The rule's values at the end of each quarter, and when it would have fired."""

    values: list[tuple[datetime, float | None]]
    firings: list[Firing]


@dataclass(slots=True)
class _Quarter:
    calls: int = 0
    failed: int = 0
    times: latency.Buckets = field(default_factory=dict)


def preview(rule: AlertRule, now: datetime) -> Preview | None:
    """Of the last DAYS, quarter by quarter; None for a quota, of which only the present is known.

    How much of a quota was used then depends on when its period had begun, and that is kept of the running one only.
    The worker looks each minute, and at up to a quarter more: it may fire some minutes earlier.
    """
    if rule.metric == Metric.QUOTA:
        return None
    values: list[tuple[datetime, float | None]] = []
    firings: list[Firing] = []
    standing, last = Standing(), None
    for at, value, found in _looks(rule, now):
        values.append((at, value))
        after = step(rule.limits, standing, found, at, last=last, gap=QUARTER)
        if after.fires and not standing.fires:
            firings.append(Firing(at, None, value))
        elif standing.fires and not after.fires:
            firings[-1] = Firing(firings[-1].start, at, firings[-1].value)
        standing, last = after, at
    return Preview(values, firings)


def present(rule: AlertRule, now: datetime) -> tuple[Reading, bool]:
    """What a rule on quotas finds at this moment, and whether it would fire for that."""
    reading = quota(rule, quotas.rules(), now)
    return reading, verdict(rule.limits, reading.value) is Verdict.BAD


def _looks(rule: AlertRule, now: datetime) -> Iterator[tuple[datetime, float | None, Verdict]]:
    """At the end of each quarter: the value over what the rule looks back, and what to think of it."""
    end = end_of_quarter(now) - QUARTER
    first = end - timedelta(days=DAYS)
    window = timedelta(minutes=rule.window_minutes)
    quarters = _quarters(rule, Span(first - window, end))
    sum_ = _Quarter()
    at = first - window
    while at < end:
        _add(sum_, quarters.get(at), 1)
        _add(sum_, quarters.get(at - window), -1)
        at += QUARTER
        if at > first:
            reading = judged(rule, sum_.calls, sum_.failed, lambda: sum_.times)
            is_idle = reading.unknown == Unknown.NO_CALLS
            yield at, reading.value, Verdict.GOOD if is_idle else verdict(rule.limits, reading.value)


def _quarters(rule: AlertRule, span: Span) -> dict[datetime, _Quarter]:
    selection = selection_of(rule, span)
    totals = by_start(selection, lambda at: at)
    found = {at: _Quarter(total.calls, total.failed) for at, total in sorted(totals.items())}
    if rule.metric == Metric.P95:
        spans = [Span(at, at + QUARTER) for at in found]
        for quarter, times in zip(found.values(), latencies(selection, spans), strict=True):
            quarter.times = times
    return found


def _add(sum_: _Quarter, quarter: _Quarter | None, sign: int) -> None:
    if quarter is None:
        return
    sum_.calls += sign * quarter.calls
    sum_.failed += sign * quarter.failed
    for number, count in quarter.times.items():
        sum_.times[number] = sum_.times.get(number, 0) + sign * count
