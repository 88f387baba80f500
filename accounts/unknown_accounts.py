"""The mail to an address that has no account, when somebody asks for a new password or a sign-in code with it."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts import lock_out
from accounts.addresses import owner_of
from portalsettings import models as portal_settings
from portalsettings.domains import is_allowed

MAIL = "account/email/unknown_account"


def is_told(request: HttpRequest, email: str) -> bool:
    """Whether the mail goes out. An account that may not sign in, or never confirmed the address, is no unknown one."""
    if not portal_settings.current().unknown_account_mails or owner_of(email) is not None:
        return False
    return lock_out.may_mail_stranger(request, email)


def sign_up_url(email: str) -> str:
    """Where the reader makes an account; empty where the address may not."""
    found = portal_settings.current()
    if not found.offers_sign_up or not is_allowed(email, found.domains):
        return ""
    return settings.PORTAL_URL + reverse("account_signup")
