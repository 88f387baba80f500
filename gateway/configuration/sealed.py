"""Credentials of backends, encrypted: the publisher's side seals them, the gateway opens them.

The key is derived from KEY_ENCRYPTION_KEY, so that neither the database nor the snapshot file
gives a credential away.
"""

import base64

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.configuration.derived import derive
from gateway.configuration.snapshot import Credentials


class SealedError(ValueError):
    """A token that this key does not open, or that holds no credentials."""


def cipher(key_encryption_key: str, purpose: bytes = b"backend credentials encryption v1") -> Fernet:
    """The cipher for one purpose; what is encrypted for one cannot be passed off as another's."""
    return Fernet(base64.urlsafe_b64encode(derive(key_encryption_key, purpose)))


def seal(credentials: Credentials, cipher: Fernet) -> bytes:
    """Empty where there is nothing to seal; else a new token each time."""
    if credentials == Credentials():
        return b""
    return cipher.encrypt(msgspec.json.encode(credentials))


def unseal(sealed: bytes, cipher: Fernet) -> Credentials:
    """Raises SealedError, whose text holds nothing of what is in the token."""
    if not sealed:
        return Credentials()
    try:
        return msgspec.json.decode(cipher.decrypt(sealed), type=Credentials)
    except InvalidToken:
        raise SealedError("the credentials were sealed with another KEY_ENCRYPTION_KEY") from None
    except msgspec.MsgspecError:
        raise SealedError("the sealed token holds no credentials") from None
