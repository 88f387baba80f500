"""Secrets and own headers of an endpoint, encrypted at rest; and its end."""

from datetime import datetime, timedelta

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backends.pairs import Pairs
from events import names
from events.recording import record
from gateway.configuration.sealed import SealedError, cipher
from webhooks import signing
from webhooks.models import Endpoint


class Overlap(models.IntegerChoices):
    """How long the old secret signs as well, in seconds."""

    NONE = 0, _("Not at all: it has leaked")
    HOUR = 3600, _("1 hour")
    DAY = 86_400, _("1 day")
    WEEK = 604_800, _("7 days")


def put_new_secret(endpoint: Endpoint) -> str:
    """Give an endpoint that is then to be saved its first secret, and return it: nothing shows it again."""
    secret = signing.new_secret()
    endpoint.sealed_secret = _seal(secret)
    return secret


def rotate_secret(endpoint: Endpoint, overlap: Overlap, now: datetime) -> str:
    """Replace the secret, and return the new one. For the time of the overlap both sign."""
    with transaction.atomic():
        row = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
        row.sealed_old_secret = row.sealed_secret if overlap else ""
        row.old_secret_ends_at = now + timedelta(seconds=overlap) if overlap else None
        secret = put_new_secret(row)
        row.save(update_fields=["sealed_secret", "sealed_old_secret", "old_secret_ends_at"])
    return secret


def secrets_of(endpoint: Endpoint, now: datetime) -> list[str]:
    """Those that sign now, the current one first. Raises SealedError."""
    tokens = [endpoint.sealed_secret]
    if endpoint.old_secret_ends_at is not None and now < endpoint.old_secret_ends_at:
        tokens.append(endpoint.sealed_old_secret)
    return [_open(token) for token in tokens]


def put_headers(endpoint: Endpoint, headers: Pairs) -> None:
    """Seal them into the endpoint, which is then to be saved."""
    endpoint.sealed_headers = _seal(msgspec.json.encode(headers).decode()) if headers else ""


def headers_of(endpoint: Endpoint) -> Pairs:
    """Raises SealedError."""
    if not endpoint.sealed_headers:
        return ()
    return msgspec.json.decode(_open(endpoint.sealed_headers), type=tuple[tuple[str, str], ...])


def switch_off(endpoint: Endpoint, reason: str) -> None:
    """Stop sending. What waits stays, and goes on when the endpoint is switched on again."""
    with transaction.atomic():
        on = Endpoint.objects.filter(pk=endpoint.pk, is_active=True)
        if on.update(is_active=False, switched_off_because=reason[:300]):
            page = reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])
            record(
                names.WEBHOOK_SWITCHED_OFF,
                webhook=endpoint,
                webhook_name=endpoint.name,
                reason=reason[:300],
                path=page,
            )


def _seal(text: str) -> str:
    return _cipher().encrypt(text.encode()).decode()


def _open(token: str) -> str:
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        raise SealedError("it was sealed with another KEY_ENCRYPTION_KEY") from None


def _cipher() -> Fernet:
    return cipher(settings.KEY_ENCRYPTION_KEY, b"webhook secrets encryption v1")
