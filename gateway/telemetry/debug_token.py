"""Debug tokens: leave to see what the gateway does with one's calls, for a while (Azure: Apim-Debug-Authorization).

A token names a subscription, or none for all of the service, and when it expires. It is signed
under a secret that is derived from KEY_ENCRYPTION_KEY, so that portal and gateway need no other
way to agree on it. Knows no Django: the portal makes tokens, the gateway reads them.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

from gateway.configuration.derived import derive

# Where the gateway gives the traces of calls, by their id, to whoever has a token.
TRACES_PATH = "/status-0123456789abcdef/traces/"
DEFAULT_SECONDS = 3600
LONGEST_SECONDS = 86400

_CONTENT = struct.Struct("!BQ16s")
_VERSION = 1
_WHOLE_SERVICE = bytes(16)
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class DebugToken:
    """`subscription` is the id that the snapshot has; None for calls of all. `expires_at` is a Unix time."""

    subscription: bytes | None
    expires_at: int


def token_secret(key_encryption_key: str) -> bytes:
    """Derive the secret of tokens from KEY_ENCRYPTION_KEY."""
    return derive(key_encryption_key, b"debug token v1")


def make_token(secret: bytes, subscription: bytes | None, now: float, seconds: int = DEFAULT_SECONDS) -> str:
    """Raises ValueError where it would hold for longer than a day."""
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ValueError(f"a debug token holds for 1 to {LONGEST_SECONDS} seconds")
    content = _CONTENT.pack(_VERSION, int(now) + seconds, subscription or _WHOLE_SERVICE)
    return base64.urlsafe_b64encode(content + _signature(secret, content)).decode().rstrip("=")


def read_token(secret: bytes, token: bytes, now: float) -> DebugToken | None:
    """None where it was not made with this secret, or has expired."""
    try:
        signed = base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    content, signature = signed[: _CONTENT.size], signed[_CONTENT.size :]
    if len(signed) != _CONTENT.size + _SIGNATURE_BYTES or not hmac.compare_digest(
        signature, _signature(secret, content)
    ):
        return None
    version, expires_at, subscription = _CONTENT.unpack(content)
    if version != _VERSION or not now < expires_at <= now + LONGEST_SECONDS:
        return None
    return DebugToken(None if subscription == _WHOLE_SERVICE else subscription, expires_at)


def _signature(secret: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, content, hashlib.sha256)
