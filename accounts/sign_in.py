"""Forms for whoever says that an account is his, and gets a mail: a sign-in code, a link for a new password.

They stand apart from `accounts.forms`, which allauth's forms are built on.
"""

from allauth.account.adapter import get_adapter
from allauth.account.forms import RequestLoginCodeForm, ResetPasswordForm, ResetPasswordKeyForm
from allauth.account.internal.flows.email_verification import consume_email_verification_rate_limit
from allauth.account.models import EmailAddress
from allauth.core import context

from accounts import lock_out, under_way
from accounts.addresses import drop_unproved, has_confirmed, owner_of
from accounts.models import User

# Who waits for approval may get a new password; it lets him in no sooner.
_MAY_RESET = frozenset({User.State.ACTIVE, User.State.PENDING})


class RequestCodeForm(RequestLoginCodeForm):
    """A code goes to a confirmed address only: who knows the password of another one may not be its owner."""

    _user: User | None

    def clean_email(self) -> str:
        email = _counted("sign_in_code", get_adapter().clean_email(super().clean_email()))
        if self._user is not None and not has_confirmed(self._user, email):
            self._user = None
            _ask_again_to_confirm(email)
        if self._user is not None:
            under_way.begin(context.request, self._user)
        return email


def _ask_again_to_confirm(email: str) -> None:
    """Mail the link of the sign-up once more, where somebody has signed up with the address."""
    owner = owner_of(email)
    address = EmailAddress.objects.filter(user=owner, email=email.lower(), verified=False).first() if owner else None
    if address is not None and consume_email_verification_rate_limit(context.request, email):
        address.send_confirmation(context.request, signup=True)


class RequestPasswordResetForm(ResetPasswordForm):
    def clean_email(self) -> str:
        email = _counted("password_reset", super().clean_email())
        owner = owner_of(email)
        self.users = [owner] if owner is not None and owner.state in _MAY_RESET else []
        return email


class NewPasswordForm(ResetPasswordKeyForm):
    def save(self) -> None:
        drop_unproved(self.user)
        super().save()


def _counted(action: str, email: str) -> str:
    try:
        lock_out.mail_attempt(context.request, action, email)
    except lock_out.TooManyAttempts:
        raise get_adapter().validation_error("rate_limited") from None
    return email
