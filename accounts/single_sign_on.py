"""Signing in what the own site of a delegation vouches for: a signed token, which works once and for minutes.

A token is `payload.signature`, both in base64url without padding. The payload is JSON:
`{"email": "…"}` or `{"userId": …}`, `"expires"` (seconds since 1970) and `"nonce"`; with an address, also
`"firstName"` and `"lastName"`. The signature is the HMAC-SHA512 of `signin-sso`, a line feed and the payload as it
stands in the token. That first line is never the salt of what the portal signs, so neither passes for the other.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.addresses import drop_unproved, has_confirmed, owner_of
from accounts.models import SpentToken, User
from events import names
from events.recording import record

MAX_LIFETIME = timedelta(minutes=10)
MAX_TOKEN_LENGTH = 4096
PURPOSE = b"signin-sso\n"


class TokenRefused(ValueError):
    """The token signs nobody in; the text says why, to the makers of the own site."""


class Payload(msgspec.Struct, frozen=True):
    expires: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    nonce: Annotated[str, msgspec.Meta(min_length=16, max_length=200)]
    userId: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""
    firstName: Annotated[str, msgspec.Meta(max_length=100)] = ""
    lastName: Annotated[str, msgspec.Meta(max_length=100)] = ""


def enter(token: str, *, key: bytes, now: datetime) -> User:
    """The person whom the token signs in; made where the address is new. Raises TokenRefused."""
    signed, payload = _opened(token, key)
    lifetime = timedelta(seconds=payload.expires - now.timestamp())
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise TokenRefused("the token has expired, or lives for more than ten minutes")
    try:
        with transaction.atomic():
            _spend(signed, now + lifetime, now)
            return _person(payload)
    except IntegrityError as error:
        raise TokenRefused("the token was used before") from error
    except ValidationError as error:
        raise TokenRefused("; ".join(error.messages)) from error


def _opened(token: str, key: bytes) -> tuple[str, Payload]:
    """What is signed, as it stands in the token, and what it says."""
    signed, _, signature = token.partition(".")
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenRefused("the token is too long")
    expected = hmac.digest(key, PURPOSE + signed.encode(), hashlib.sha512)
    try:
        if not hmac.compare_digest(_decoded(signature), expected):
            raise TokenRefused("the signature is another one")
        return signed, msgspec.json.decode(_decoded(signed), type=Payload)
    except (binascii.Error, UnicodeEncodeError, msgspec.DecodeError) as error:
        raise TokenRefused(f"the token cannot be read: {error}") from error


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _spend(signed: str, expires: datetime, now: datetime) -> None:
    """Note what the token signs; raises IntegrityError if it is known.

    Not the whole token: base64 has several spellings of a signature.
    """
    SpentToken.objects.filter(expires_at__lt=now).delete()
    SpentToken.objects.create(digest=hashlib.sha256(signed.encode()).hexdigest(), expires_at=expires)


def _person(payload: Payload) -> User:
    if payload.userId is not None:
        user = User.objects.filter(pk=payload.userId).first()
        if user is None:
            raise TokenRefused("there is no user with this id")
    elif payload.email:
        user = owner_of(payload.email) or _made(payload)
    else:
        raise TokenRefused("the token names nobody")
    if user.is_staff:
        raise TokenRefused("administrators sign in at the portal itself")
    _confirm(user)
    return user


def _made(payload: Payload) -> User:
    now = timezone.now()
    user = User.objects.create_user(
        payload.email.lower(),
        None,
        first_name=payload.firstName,
        last_name=payload.lastName,
        registered_at=now,
        confirmed_at=now,
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    record(names.USER_SIGNED_UP, by=user, user=user)
    return user


def _confirm(user: User) -> None:
    """The own site vouches for the address of the account."""
    if not has_confirmed(user, user.email):
        drop_unproved(user)
        confirmed = {"verified": True, "primary": True}
        EmailAddress.objects.update_or_create(user=user, email=user.email.lower(), defaults=confirmed)
