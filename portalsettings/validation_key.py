"""The validation key of delegation: the portal and the own site sign with it what they tell each other."""

import base64
import secrets

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from gateway.configuration import sealed
from portalsettings.models import PortalSettings

KEY_BYTES = 64


def regenerate() -> str:
    """Put a new key in the place of the old one, and return it: it is shown once, in base64 as Azure's."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    token = _cipher().encrypt(key.encode()).decode()
    PortalSettings.objects.update_or_create(pk=1, defaults={"delegation_key": token})
    return key


def key_of(portal_settings: PortalSettings) -> bytes | None:
    """The key's bytes; None where there is none, or it was sealed with another KEY_ENCRYPTION_KEY."""
    if not portal_settings.delegation_key:
        return None
    try:
        return base64.b64decode(_cipher().decrypt(portal_settings.delegation_key.encode()))
    except InvalidToken:
        return None


def _cipher() -> Fernet:
    return sealed.cipher(settings.KEY_ENCRYPTION_KEY, b"delegation validation key encryption v1")
