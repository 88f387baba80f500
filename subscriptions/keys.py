"""Subscription keys: made, kept encrypted, shown to their owner, replaced."""

import secrets
from datetime import datetime, timedelta

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from events import names
from gateway.catalogue.admission import MAX_KEY_BYTES
from gateway.configuration import key_digest, sealed
from subscriptions import history
from subscriptions.key_values import check_value
from subscriptions.models import Subscription, SubscriptionEvent, SubscriptionKey

Kind = SubscriptionEvent.Kind
Slot = SubscriptionKey.Slot


class Overlap(models.IntegerChoices):
    """How many seconds a key that is replaced works on."""

    NONE = 0, gettext_lazy("Not at all: it stops at once")
    HOUR = 3600, gettext_lazy("For 1 hour")
    DAY = 86_400, gettext_lazy("For 24 hours")
    WEEK = 604_800, gettext_lazy("For 7 days")


class KeyRefused(ValueError):
    """The key cannot be replaced; the text says why and is meant for the user."""


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
    return _fernet().decrypt(subscription.keys.current().get(slot=slot).ciphertext.encode()).decode()


def reveal_to_administrator(subscription: Subscription, *, by: User) -> dict[Slot, str]:
    """Both keys of a subscription that stands alone, which nobody else could look up. The history tells of it.

    Raises KeyRefused where it belongs to somebody.
    """
    with transaction.atomic():
        row = _locked(subscription)
        if row.owner_id is not None or row.team_id is not None:
            raise KeyRefused(_("Only its owner sees the keys of a subscription."))
        history.note(row, names.SUBSCRIPTION_KEYS_SHOWN, Kind.KEYS_SHOWN, by=by)
        return {slot: reveal(row, slot) for slot in Slot}


def regenerate(
    subscription: Subscription,
    slot: Slot,
    *,
    by: User | None = None,
    overlap: Overlap = Overlap.NONE,
    replaces: int | None = None,
    now: datetime | None = None,
) -> None:
    """Replace a key; the old one works on for the overlap, the other one in any case.

    `replaces` is the key (its primary key) that the person saw: pressing twice must not end the old
    key before its time. Raises KeyRefused where it is no longer there.
    """
    with transaction.atomic():
        key = _replace(subscription, slot, generate(), overlap=overlap, replaces=replaces, now=now)
        _note(names.SUBSCRIPTION_KEY_REGENERATED, Kind.KEY_REGENERATED, key, by=by, overlap=overlap)


def set_value(
    subscription: Subscription,
    slot: Slot,
    value: str,
    *,
    by: User | None,
    overlap: Overlap = Overlap.NONE,
    replaces: int | None = None,
    now: datetime | None = None,
) -> None:
    """Give a key a value that callers already have. Raises WeakKey, and KeyRefused where it is taken."""
    check_value(value)
    try:
        with transaction.atomic():
            key = _replace(subscription, slot, value, overlap=overlap, replaces=replaces, now=now)
            _note(names.SUBSCRIPTION_KEY_SET, Kind.KEY_SET, key, by=by, overlap=overlap)
    except IntegrityError:
        # Its text would tell the digest.
        raise KeyRefused(_("This value is taken: another key has it, or had it a short time ago.")) from None


def _locked(subscription: Subscription) -> Subscription:
    """Its row, which everything that is done with its keys waits for."""
    row = Subscription.objects.select_for_update().get(pk=subscription.pk)
    if not row.is_live:
        raise KeyRefused(_("The subscription has ended; so have its keys."))
    return row


def _replace(
    subscription: Subscription, slot: Slot, value: str, *, overlap: Overlap, replaces: int | None, now: datetime | None
) -> SubscriptionKey:
    row = _locked(subscription)
    moment = now or timezone.now()
    before = SubscriptionKey.objects.current().filter(subscription=row, slot=slot)
    if replaces is not None and not before.filter(pk=replaces).exists():
        raise KeyRefused(_("This key has been replaced meanwhile. Look at the new one first."))
    # Of one that was replaced earlier the time is over now.
    SubscriptionKey.objects.old().filter(subscription=row, slot=slot).retire(moment)
    if overlap == Overlap.NONE:
        before.retire(moment)
    else:
        before.update(ends_at=moment + timedelta(seconds=overlap), ciphertext="")
    return SubscriptionKey.objects.create(subscription=row, slot=slot, **_sealed(value))


def _note(
    event: str, kind: SubscriptionEvent.Kind, key: SubscriptionKey, *, by: User | None, overlap: Overlap = Overlap.NONE
) -> None:
    detail = f"{key.slot} {key.prefix}…"
    history.note(key.subscription, event, kind, by=by, detail=detail, slot=key.slot, overlap_seconds=int(overlap))


def end_old(subscription: Subscription, slot: Slot, *, by: User | None) -> bool:
    """Stop a key that was replaced before its time. False where there is none."""
    with transaction.atomic():
        old = SubscriptionKey.objects.old().filter(subscription=_locked(subscription), slot=slot)
        key = old.first()
        if key is None:
            return False
        _note(names.SUBSCRIPTION_OLD_KEY_ENDED, Kind.OLD_KEY_ENDED, key, by=by)
        old.retire(timezone.now())
    return True


def delete_ended(now: datetime) -> int:
    """Forget old keys whose time is over; the gateway already refuses them."""
    return SubscriptionKey.objects.old().filter(ends_at__lte=now).retire(now)


def opened_by(key: bytes, now: datetime) -> Subscription | None:
    """The subscription that a key opens, as the gateway decides it; None where it opens none.

    `key` is the bytes as they arrived. Whether the subscription's scope contains an API is not looked at.
    """
    if not 0 < len(key) <= MAX_KEY_BYTES:
        return None
    digest = key_digest.digest(key_digest.digest_secret(settings.KEY_ENCRYPTION_KEY), key).hex()
    works = Q(ends_at=None) | Q(ends_at__gt=now)
    found = SubscriptionKey.objects.filter(works, digest=digest).values("subscription")
    usable_owner = Q(owner=None) | Q(owner__state=User.State.ACTIVE)
    usable = Subscription.objects.usable(now).filter(usable_owner, pk__in=found)
    return usable.select_related("product", "api").first()
