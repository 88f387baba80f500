"""The credentials of a backend: sealed when they are stored, opened for those who need them."""

import base64
import binascii

from cryptography.fernet import Fernet
from django.conf import settings

from backends.models import Backend
from backends.pairs import Pairs
from gateway.configuration import sealed
from gateway.configuration.snapshot import Credentials

_AUTHORIZATION = "authorization"
_BASIC = "Basic "


def credentials_of(backend: Backend) -> Credentials:
    """Raises SealedError where they were sealed with another KEY_ENCRYPTION_KEY."""
    return sealed.unseal(backend.sealed.encode(), _cipher())


def put_credentials(backend: Backend, credentials: Credentials) -> None:
    """Seal them into the backend, which is then to be saved."""
    backend.sealed = sealed.seal(credentials, _cipher()).decode()


def _cipher() -> Fernet:
    return sealed.cipher(settings.KEY_ENCRYPTION_KEY)


def basic_authorization(user: str, password: str) -> tuple[str, str]:
    """The header of a user name and a password (RFC 7617, in UTF-8)."""
    return "Authorization", _BASIC + base64.b64encode(f"{user}:{password}".encode()).decode()


def split_basic(headers: Pairs) -> tuple[Pairs, str, str]:
    """The headers without basic authorization, and its user name and password; these are empty where it is not used."""
    for pair in headers:
        found = _user_and_password(*pair)
        if found is not None:
            return tuple(other for other in headers if other is not pair), *found
    return headers, "", ""


def _user_and_password(name: str, value: str) -> tuple[str, str] | None:
    if name.lower() != _AUTHORIZATION or not value.startswith(_BASIC):
        return None
    try:
        user, colon, password = base64.b64decode(value.removeprefix(_BASIC), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon and user else None
