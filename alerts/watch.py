"""Looks at what alert rules watch, and notes and tells each change once.

What a look finds, its history and the event that mails and webhooks are made of are written in one
transaction that has locked the rule. So a crash leaves all or nothing, and of two workers that look at
the same time the second one finds what the first has written.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from alerts.conditions import LONGEST_GAP, Standing, Verdict, step, verdict
from alerts.measures import Reading, read
from alerts.models import AlertChange, AlertRule, Unknown
from events import names
from events.recording import record
from notifications.publisher import addresses_of
from service import models as service_models

State = AlertRule.State
Kind = AlertChange.Kind
_EVENTS = {State.FIRING: names.ALERT_FIRED, State.OK: names.ALERT_RESOLVED}
_KINDS = {State.FIRING: Kind.FIRED, State.OK: Kind.RESOLVED}


def watch(now: datetime) -> int:
    """Look at all enabled rules; returns how many changed their state."""
    rules = list(AlertRule.objects.filter(is_enabled=True).select_related("api", "product", "subscription"))
    readings = read(rules, now)
    return sum(note(rule.pk, readings[rule.pk], now) for rule in rules)


def note(pk: int, reading: Reading, now: datetime) -> bool:
    """Write what a look at a rule has found, unless a later look was faster; returns whether its state changed."""
    with transaction.atomic():
        rule = AlertRule.objects.select_for_update().filter(pk=pk, is_enabled=True).first()
        if rule is None or _was_faster(rule.checked_at, now):
            return False
        standing = Standing(rule.state == State.FIRING, rule.holds_since)
        after = step(rule.limits, standing, _verdict(rule, reading), now, last=rule.checked_at)
        rule.holds_since, rule.checked_at = after.holds_since, now
        rule.value, rule.unknown, rule.worst_subscription = reading.value, reading.unknown, reading.subscription
        if after.fires != standing.fires:
            _change(rule, State.FIRING if after.fires else State.OK, reading, now)
        if rule.told_state != rule.state and not rule.is_muted(now):
            _tell(rule, reading, now)
        rule.save(
            update_fields=[
                "holds_since", "checked_at", "value", "unknown", "worst_subscription", "state", "state_since",
                "told_state", "acknowledged_at", "acknowledged_by",
            ]
        )  # fmt: skip
    return after.fires != standing.fires


def _was_faster(look: datetime | None, now: datetime) -> bool:
    """Whether that look came after this one began. From much later it is only where the clock has gone back."""
    return look is not None and now <= look <= now + LONGEST_GAP


def _verdict(rule: AlertRule, reading: Reading) -> Verdict:
    """Where nobody calls at all nothing fails, and nothing is slow: an alert of before is over."""
    if reading.unknown == Unknown.NO_CALLS:
        return Verdict.GOOD
    return verdict(rule.limits, reading.value)


def _change(rule: AlertRule, state: State, reading: Reading, now: datetime) -> None:
    rule.state, rule.state_since = state, now
    rule.acknowledged_at = rule.acknowledged_by = None
    AlertChange.objects.create(
        rule=rule,
        at=now,
        kind=_KINDS[state],
        metric=rule.metric,
        value=reading.value,
        threshold=rule.threshold,
        calls=reading.calls,
        subscription_id=reading.subscription,
    )


def _tell(rule: AlertRule, reading: Reading, now: datetime) -> None:
    """Record the event of the state that the rule is in, and with its change who is told."""
    state = State(rule.state)
    recipients = addresses_of(rule, service_models.current())
    record(
        _EVENTS[state],
        at=rule.state_since,
        alert=rule,
        alert_name=rule.name,
        metric=rule.metric,
        value=reading.value,
        threshold=rule.threshold,
        window_minutes=rule.window_minutes,
        calls=reading.calls,
        watched=rule.watched,
        note=rule.note,
        recipients=recipients,
        **_about(rule, reading),
    )
    rule.told_state = state
    latest = AlertChange.objects.filter(rule=rule, kind=_KINDS[state]).order_by("-pk").first()
    if latest is not None:
        latest.told, latest.told_at = recipients, now
        latest.save(update_fields=["told", "told_at"])


def _about(rule: AlertRule, reading: Reading) -> dict[str, Any]:
    """The row that the event is about; of a quota the subscription that has used the most of it."""
    found = {
        "api": rule.api_id,
        "product": rule.product_id,
        "subscription": rule.subscription_id or reading.subscription,
    }
    return {name: pk for name, pk in found.items() if pk is not None}


def forget(now: datetime, *, days: int) -> int:
    """Delete what happened longer ago; returns how much."""
    return AlertChange.objects.filter(at__lt=now - timedelta(days=days)).delete()[0]
