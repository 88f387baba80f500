"""Secrets that web, publisher and gateway derive from KEY_ENCRYPTION_KEY, each for one purpose."""

import hashlib
import hmac


def derive(key_encryption_key: str, purpose: bytes) -> bytes:
    """32 bytes; what is made under one purpose's secret cannot be passed off as another's."""
    return hmac.digest(key_encryption_key.encode(), purpose, hashlib.sha256)
