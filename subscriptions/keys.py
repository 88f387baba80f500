"""Subscription keys: made, kept encrypted, shown to their owner, replaced."""

import secrets

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import transaction

from gateway.configuration import key_digest, sealed
from subscriptions.models import Subscription, SubscriptionKey

Slot = SubscriptionKey.Slot


def _fernet() -> Fernet:
    return sealed.cipher(settings.KEY_ENCRYPTION_KEY, b"subscription key encryption v1")


def _digest(key: str) -> str:
    secret = key_digest.digest_secret(settings.KEY_ENCRYPTION_KEY)
    return key_digest.digest(secret, key.encode()).hex()


def _sealed(key: str) -> dict[str, str]:
    """The columns that hold a key."""
    return {"digest": _digest(key), "ciphertext": _fernet().encrypt(key.encode()).decode(), "prefix": key[:4]}


def generate() -> str:
    """A new key: 32 hexadecimal digits, 128 bits, as Azure's."""
    return secrets.token_hex(16)


def issue_pair(subscription: Subscription) -> None:
    """Give a new subscription its primary and secondary key."""
    SubscriptionKey.objects.bulk_create(
        SubscriptionKey(subscription=subscription, slot=slot, **_sealed(generate())) for slot in Slot
    )


def reveal(subscription: Subscription, slot: Slot) -> str:
    """The key in clear, for its owner only. Raises SubscriptionKey.DoesNotExist."""
    return _fernet().decrypt(subscription.keys.get(slot=slot).ciphertext.encode()).decode()


def regenerate(subscription: Subscription, slot: Slot) -> None:
    """Replace a key; the old one stops working at once, the other one goes on."""
    with transaction.atomic():
        row = SubscriptionKey.objects.select_for_update().get(subscription=subscription, slot=slot)
        for column, value in _sealed(generate()).items():
            setattr(row, column, value)
        row.save(update_fields=["digest", "ciphertext", "prefix"])
