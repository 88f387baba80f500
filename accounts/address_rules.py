"""Which e-mail addresses are taken, whatever the way in: sign-up, an invitation, the administration, a notification."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.utils.translation import gettext as _

MAX_LENGTH = 254


def refuse_encoded_words(email: str) -> None:
    """Mail programs decode them (RFC 2047), so that the mail would go to another address. Raises ValidationError.

    Beside what fields for addresses check by themselves.
    """
    if "=?" in email:
        raise ValidationError(_("Enter an e-mail address without “=?”."))


def validate_address(email: str) -> None:
    """All rules, for an address that comes from no field of its own. Raises ValidationError."""
    validate_email(email)
    MaxLengthValidator(MAX_LENGTH)(email)
    refuse_encoded_words(email)
