"""What a webhook carries: ids and short values that are named here, and nothing else of an event's data.

A person is an id and, where the event is about him, the e-mail address by which the receiver knows
him; names, comments, devices and network addresses stay here.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from accounts.models import Team, User
from apis.models import API, Operation
from events import names
from events.models import Event
from service import models as service_models
from subscriptions.models import Product, Subscription

VERSION = 1
# No event: what an administrator sends to try an endpoint.
TEST = "webhook.test"
_IDS = uuid.UUID("0d1c7a52-3a55-4c8e-9a5e-8f3f6c0b6d11")

_STEP = ("subscription", "owner", "team", "product", "api", "by")
_QUOTA = (
    "subscription", "owner", "team", "product", "api", "operation", "percent", "used", "quota", "unit", "resets_at",
)  # fmt: skip
_ALERT = (
    "alert", "alert_name", "metric", "value", "threshold", "window_minutes", "calls", "api", "product", "subscription",
)  # fmt: skip
FIELDS: Mapping[str, tuple[str, ...]] = {
    names.SUBSCRIPTION_REQUESTED: _STEP,
    names.SUBSCRIPTION_ACTIVATED: _STEP,
    names.SUBSCRIPTION_RESUMED: _STEP,
    names.SUBSCRIPTION_REJECTED: _STEP,
    names.SUBSCRIPTION_SUSPENDED: _STEP,
    names.SUBSCRIPTION_CANCELLED: _STEP,
    names.SUBSCRIPTION_EXPIRED: _STEP,
    names.SUBSCRIPTION_EXPIRING: (*_STEP, "expires_at", "days_left"),
    names.SUBSCRIPTION_RENAMED: _STEP,
    names.SUBSCRIPTION_TRANSFERRED: _STEP,
    names.SUBSCRIPTION_DATES_CHANGED: (*_STEP, "expires_at"),
    names.SUBSCRIPTION_KEY_REGENERATED: (*_STEP, "slot", "overlap_seconds"),
    names.SUBSCRIPTION_KEY_SET: (*_STEP, "slot", "overlap_seconds"),
    names.SUBSCRIPTION_OLD_KEY_ENDED: (*_STEP, "slot"),
    names.SUBSCRIPTION_KEYS_SHOWN: _STEP,
    names.USER_INVITED: ("invitation", "email", "by"),
    names.USER_SIGNED_UP: ("user", "invitation"),
    names.USER_WAITING: ("user",),
    names.USER_APPROVED: ("user", "by"),
    names.USER_REJECTED: ("user", "by"),
    names.USER_BLOCKED: ("user", "by"),
    names.USER_ACTIVATED: ("user", "by"),
    names.USER_SIGNED_IN_FROM_NEW_DEVICE: ("user",),
    names.USER_SECOND_FACTOR_RESET: ("user", "by"),
    names.USER_CLOSED: ("user", "email", "by"),
    names.TEAM_CREATED: ("team", "by"),
    names.TEAM_DELETED: ("team", "members", "by"),
    names.TEAM_MEMBER_INVITED: ("team", "invitation", "by"),
    names.TEAM_MEMBER_JOINED: ("team", "user", "role", "by"),
    names.TEAM_MEMBER_LEFT: ("team", "user"),
    names.TEAM_MEMBER_REMOVED: ("team", "user", "by"),
    names.TEAM_MEMBER_ROLE_CHANGED: ("team", "user", "role", "by"),
    names.QUOTA_APPROACHING: _QUOTA,
    names.QUOTA_REACHED: _QUOTA,
    names.ALERT_FIRED: _ALERT,
    names.ALERT_RESOLVED: _ALERT,
    names.API_DEPRECATED: ("api", "operation", "deprecated_at", "sunset_at", "successor", "migration_url", "by"),
    names.ANNOUNCEMENT_PUBLISHED: ("announcement", "api", "product", "subject", "by"),
    names.APPLICATION_SUBMITTED: ("user", "title"),
    names.APPLICATION_APPROVED: ("user", "title", "by"),
    names.ISSUE_OPENED: ("user", "issue", "api", "title"),
    names.ISSUE_COMMENTED: ("issue", "comment_id", "api", "title", "by"),
    names.ISSUE_STATE_CHANGED: ("issue", "api", "title", "state", "by"),
    names.WEBHOOK_SWITCHED_OFF: ("webhook", "webhook_name", "reason"),
}


def message_id(event: Event) -> uuid.UUID:
    """The same for each endpoint, and never that of an event of another database."""
    return uuid.uuid5(_IDS, f"{event.pk} {event.at.isoformat()}")


def body_of(event: Event) -> str:
    data = {name: _value(name, event.data.get(name)) for name in FIELDS.get(event.name, ()) if name in event.data}
    if "by" in FIELDS.get(event.name, ()):
        data["by"] = {"id": event.by_id} if event.by_id else None
    return _body(message_id(event), event.name, event.at, data)


def test_body(of: uuid.UUID, now: datetime) -> str:
    return _body(of, TEST, now, {})


def _body(of: uuid.UUID, name: str, at: datetime, data: Mapping[str, Any]) -> str:
    service = service_models.current()
    message = {
        "id": str(of),
        "type": name,
        "version": VERSION,
        "at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "service": service.name if service else "",
        "data": data,
    }
    return json.dumps(message, separators=(",", ":"))


def _value(name: str, value: Any) -> Any:
    """The value as it is; of a row its id, and what tells a reader which one it is if it is still there."""
    if name not in _ROWS or value is None:
        return value
    return {"id": value} | _ROWS[name](value)


def _subscription(pk: Any) -> dict[str, Any]:
    row = Subscription.objects.filter(pk=pk).first()
    return {"name": row.display_name, "state": row.state} if row else {}


def _user(pk: Any) -> dict[str, Any]:
    row = User.objects.filter(pk=pk).exclude(state=User.State.DELETED).first()
    return {"email": row.email} if row else {}


def _team(pk: Any) -> dict[str, Any]:
    row = Team.objects.filter(pk=pk).first()
    return {"name": row.name} if row else {}


def _product(pk: Any) -> dict[str, Any]:
    row = Product.objects.filter(pk=pk).first()
    return {"name": row.name} if row else {}


def _api(pk: Any) -> dict[str, Any]:
    row = API.objects.filter(pk=pk).first()
    return {"name": row.name} if row else {}


def _operation(pk: Any) -> dict[str, Any]:
    row = Operation.objects.filter(pk=pk).first()
    return {"name": row.name} if row else {}


_ROWS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "subscription": _subscription,
    "owner": _user,
    "user": _user,
    "team": _team,
    "product": _product,
    "api": _api,
    "operation": _operation,
    "successor": _api,
}
