"""Whether accounts are protected by more than a password, and the way out when a person has lost it."""

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts.models import User
from events import names
from events.recording import record
from portalsettings.models import PortalSettings

# Recovery codes stand in for one of these.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def lacks_required(user: User, settings: PortalSettings) -> bool:
    """Whether the person has to add a second factor before he may administer."""
    is_required = user.is_staff and settings.second_factor_required
    return is_required and not has_any(user)


def has_any(user: User) -> bool:
    has: bool = Authenticator.objects.filter(user=user, type__in=FACTORS).exists()
    return has


def take_off(user: User, *, by: User) -> None:
    """Remove all second factors of a person who has lost them. He is told, for it may not have been him who asked."""
    with transaction.atomic():
        removed, _by_model = Authenticator.objects.filter(user=user).delete()
        if removed:
            record(names.USER_SECOND_FACTOR_RESET, by=by, user=user)
            get_adapter().send_mail("mfa/email/second_factor_reset", user.email, {})
