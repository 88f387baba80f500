"""How allauth's second factors behave here."""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import User
from gateway.configuration.sealed import cipher
from service.models import current


class SecondFactorAdapter(DefaultMFAAdapter):
    """Allauth's own rules; secrets are encrypted at rest."""

    error_messages = {
        name: str(text).replace("email address", "e-mail address")
        for name, text in DefaultMFAAdapter.error_messages.items()
    }

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        return self._get_site_name()

    def _get_site_name(self) -> str:
        service = current()
        return service.organization_name if service else "API Management"

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return _("Passkey %(number)d") % {"number": count + 1}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        """Passkeys are chosen by name in the browser's own list, where two accounts must not look the same."""
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        return entity | {"display_name": user.full_name or user.email}


def _cipher() -> Fernet:
    return cipher(settings.KEY_ENCRYPTION_KEY, b"second factor encryption v1")
