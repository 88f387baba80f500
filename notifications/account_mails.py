"""Allauth's mails, written from the catalogue."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone

from accounts.localization import as_read_by
from accounts.models import User
from notifications.catalogue import BY_ACCOUNT_MAIL
from notifications.facts import common_values, moment
from notifications.mails import compose
from service.models import current

# Where allauth's context has what.
_NAMES: Mapping[str, str] = {
    "confirm_url": "activate_url",
    "reset_url": "password_reset_url",
    "sign_up_url": "signup_url",
    "invitation_url": "url",
    "code": "code",
    "address": "ip",
    "device": "user_agent",
    "old_email": "from_email",
    "deleted_email": "deleted_email",
    "new_email": "to_email",
    "undo_url": "undo_url",
    "provider": "provider",
}


def is_known(prefix: str) -> bool:
    return prefix in BY_ACCOUNT_MAIL


def write(prefix: str, email: str, context: Mapping[str, Any], headers: Mapping[str, str] | None) -> EmailMessage:
    """The mail that allauth knows by a prefix, in the language that the person chose, or the active one."""
    user = context.get("user")
    receiver = user if isinstance(user, User) else None
    with as_read_by(receiver) if receiver is not None and receiver.language else nullcontext():
        return _write(prefix, email, context, headers, receiver)


def _write(
    prefix: str,
    email: str,
    context: Mapping[str, Any],
    headers: Mapping[str, str] | None,
    receiver: User | None,
) -> EmailMessage:
    service = current()
    values = {name: str(context[key]) for name, key in _NAMES.items() if context.get(key)}
    at = context.get("timestamp")
    mail = compose(
        BY_ACCOUNT_MAIL[prefix],
        email,
        {
            "sign_in_url": settings.PORTAL_URL + reverse("account_login"),
            "reset_url": settings.PORTAL_URL + reverse("account_reset_password"),
            "when": moment(at if isinstance(at, datetime) else timezone.now()),
            "administrator_email": service.administrator_email if service else "",
            **common_values(service, receiver),
            **values,
            **_values_of_invitation(context.get("invitation")),
            "email": email,
        },
    )
    mail.extra_headers |= dict(headers or {})
    return mail


def _values_of_invitation(invitation: Any) -> dict[str, str]:
    """Of an invitation to the portal or to a team."""
    if invitation is None:
        return {}
    found = {
        "by": invitation.invited_by,
        "team": getattr(invitation, "team", ""),
        "comment": getattr(invitation, "note", ""),
    }
    return {
        **{name: str(value) for name, value in found.items() if value},
        "expires_on": moment(invitation.expires_at),
    }
