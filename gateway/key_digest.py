"""The form in which the gateway knows subscription keys.

Keys are found by HMAC-SHA-256 under a secret that is derived from KEY_ENCRYPTION_KEY, so that
neither the snapshot nor the database holds anything that a caller could send.
"""

import hashlib
import hmac


def digest_secret(key_encryption_key: str) -> bytes:
    """Derive the secret of `digest` from KEY_ENCRYPTION_KEY."""
    return hmac.digest(key_encryption_key.encode(), b"subscription key digest v1", hashlib.sha256)


def digest(secret: bytes, key: bytes) -> bytes:
    """The 32 bytes by which a key is looked up. `key` is the bytes as they arrive on the wire."""
    return hmac.digest(secret, key, hashlib.sha256)
