"""The form in which the gateway knows subscription keys.

Keys are found by HMAC-SHA-256 under a secret that is derived from KEY_ENCRYPTION_KEY, so that
neither the snapshot nor the database holds anything that a caller could send.
"""

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache

from gateway.configuration.derived import derive

_BLOCK_BYTES = 64
# Callers repeat themselves. Those who send one key after another only make the gateway forget.
_REMEMBERED_KEYS = 4096


def digest_secret(key_encryption_key: str) -> bytes:
    """Derive the secret of `digest` from KEY_ENCRYPTION_KEY."""
    return derive(key_encryption_key, b"subscription key digest v1")


def digest(secret: bytes, key: bytes) -> bytes:
    """The 32 bytes by which a key is looked up. `key` is the bytes as they arrive on the wire."""
    return hmac.digest(secret, key, hashlib.sha256)


def digester(secret: bytes) -> Callable[[bytes], bytes]:
    """`digest` under one secret, twice as fast: RFC 2104's two padded blocks are hashed only once.

    Digests of the keys that came last are remembered. `secret` has at most 64 bytes.
    """
    block = secret.ljust(_BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    @lru_cache(_REMEMBERED_KEYS)
    def digest_of(key: bytes) -> bytes:
        within = inner.copy()
        within.update(key)
        around = outer.copy()
        around.update(within.digest())
        return around.digest()

    return digest_of
