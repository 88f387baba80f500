"""Note that something happened."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.utils import timezone

from events.models import Event

if TYPE_CHECKING:
    from accounts.models import User


def record(name: str, *, by: "User | None" = None, at: datetime | None = None, **data: Any) -> Event:
    """Note an event of `events.names` in the transaction that is open, so that it is told if and only if it happened.

    A row among the data is noted by its primary key: `record(names.SUBSCRIPTION_EXPIRED, subscription=row)`.
    """
    return Event.objects.create(name=name, by=by, at=at or timezone.now(), data=_plain(data))


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in data.items()}


def _value(value: Any) -> Any:
    if isinstance(value, models.Model):
        value = value.pk
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
