"""Secrets of identity providers, encrypted at rest: who reads the database cannot act as this site."""

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from gateway.configuration.sealed import cipher

# Where it lies among the provider's settings: encrypted it would not fit into allauth's own column.
SETTING = "sealed_secret"


def sealed(secret: str) -> str:
    return _cipher().encrypt(secret.encode()).decode() if secret else ""


def opened(token: str) -> str:
    """The secret; empty where it was encrypted under another KEY_ENCRYPTION_KEY, and has to be entered again."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        return ""


def _cipher() -> Fernet:
    return cipher(settings.KEY_ENCRYPTION_KEY, b"identity provider encryption v1")
