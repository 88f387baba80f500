"""What people do about an alert: acknowledge it, mute it, change or switch off its rule."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from alerts.models import AlertChange, AlertRule

State = AlertRule.State
Kind = AlertChange.Kind


class NotFiringError(ValueError):
    """There is nothing to acknowledge."""


def acknowledge(rule: AlertRule, *, by: User, now: datetime) -> None:
    """Say that somebody looks after it, until it is over. Raises NotFiringError."""
    with transaction.atomic():
        row = AlertRule.objects.select_for_update().get(pk=rule.pk)
        if row.state != State.FIRING:
            raise NotFiringError
        row.acknowledged_at, row.acknowledged_by = now, by
        row.save(update_fields=["acknowledged_at", "acknowledged_by"])
        _note(row, Kind.ACKNOWLEDGED, by, now)


def mute(rule: AlertRule, *, until: datetime, by: User, now: datetime) -> None:
    """Tell nobody until then. What fires by that time is told then, if it still does."""
    with transaction.atomic():
        row = AlertRule.objects.select_for_update().get(pk=rule.pk)
        row.muted_until = until
        row.save(update_fields=["muted_until"])
        _note(row, Kind.MUTED, by, now, until=until)


def unmute(rule: AlertRule, *, by: User, now: datetime) -> None:
    with transaction.atomic():
        row = AlertRule.objects.select_for_update().get(pk=rule.pk)
        if row.is_muted(now):
            row.muted_until = None
            row.save(update_fields=["muted_until"])
            _note(row, Kind.UNMUTED, by, now)


def reset(rule: AlertRule, *, by: User, now: datetime) -> None:
    """Begin anew, after a change of what is watched: an alert of before tells nobody that it is over."""
    with transaction.atomic():
        row = AlertRule.objects.select_for_update().get(pk=rule.pk)
        if row.state == State.FIRING:
            _note(row, Kind.RESET, by, now)
            row.state_since = now
        row.state = row.told_state = State.OK
        row.holds_since = row.value = row.checked_at = row.acknowledged_at = row.acknowledged_by = None
        row.worst_subscription, row.unknown = None, ""
        row.save(
            update_fields=[
                "state", "told_state", "state_since", "holds_since", "value", "checked_at", "acknowledged_at",
                "acknowledged_by", "worst_subscription", "unknown",
            ]
        )  # fmt: skip


def _note(rule: AlertRule, kind: Kind, by: User, now: datetime, *, until: datetime | None = None) -> None:
    AlertChange.objects.create(
        rule=rule, at=now, kind=kind, metric=rule.metric, threshold=rule.threshold, value=rule.value, by=by, until=until
    )
