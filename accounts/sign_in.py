"""Forms that send a mail to whoever says that an account is his: a sign-in code, a link for a new password.

They stand apart from `accounts.forms`, which allauth's forms are built on.
"""

from allauth.account.adapter import get_adapter
from allauth.account.forms import RequestLoginCodeForm, ResetPasswordForm
from allauth.core import context

from accounts import lock_out


class RequestCodeForm(RequestLoginCodeForm):
    def clean_email(self) -> str:
        return _counted("sign_in_code", super().clean_email())


class RequestPasswordResetForm(ResetPasswordForm):
    def clean_email(self) -> str:
        return _counted("password_reset", super().clean_email())


def _counted(action: str, email: str) -> str:
    try:
        lock_out.mail_attempt(context.request, action, email)
    except lock_out.TooManyAttempts:
        raise get_adapter().validation_error("rate_limited") from None
    return email
