"""Signing up. It stands apart from `accounts.forms`, which allauth's forms are built on."""

from typing import Any

from allauth.account.forms import AddEmailForm, BaseSignupForm, SignupForm
from allauth.core import context
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import team_sign_up, user_states
from accounts.addresses import is_only_wanted
from accounts.models import User
from accounts.terms import TermsForm
from events import names
from events.recording import record
from portalsettings import models as portal_settings
from portalsettings.domains import is_allowed


class SignUpRules(BaseSignupForm, TermsForm):
    """What holds for everybody who signs up, with a password or through an identity provider."""

    account_already_exists: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if not name.startswith("terms")])

    def clean_email(self) -> str:
        email: str = super().clean_email()
        validate_domain(email)
        validate_invited(email)
        return email

    def validate_unique_email(self, value: str) -> str:
        email: str = super().validate_unique_email(value)
        self.account_already_exists = self.account_already_exists and not is_only_wanted(email)
        return email

    def custom_signup(self, request: HttpRequest, user: User) -> None:
        super().custom_signup(request, user)
        self.note_acceptance(user)


class SignUpForm(SignUpRules, SignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if invitation := team_sign_up.invitation_of(context.request):
            self.fields["email"].initial = invitation.email

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Allauth's own, in the same time for addresses that have an account: there is a password to hash."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        with transaction.atomic():
            outcome: tuple[User | None, HttpResponse | None] = super().try_save(request)
        return outcome


class NewAddressForm(AddEmailForm):
    """A changed address has to be one that could sign up."""

    def clean_email(self) -> Any:
        email = super().clean_email()
        validate_domain(email)
        return email


def validate_domain(email: str) -> None:
    """Refuse an address at a domain that may not sign up; says nothing of whether it has an account."""
    domains = portal_settings.current().domains
    if not is_allowed(email, domains):
        raise ValidationError(_("Use an address at %(domains)s.") % {"domains": ", ".join(domains)})


def validate_invited(email: str) -> None:
    """Refuse an address that is not the one of the invitation by which the browser signs up."""
    invitation = team_sign_up.invitation_of(context.request)
    if invitation is not None and invitation.email != email.lower():
        raise ValidationError(_("Use the address that was invited: %(email)s.") % {"email": invitation.email})


def new_user() -> User:
    """Somebody who signs up himself: where approval is required he waits for it from the start."""
    needs_approval = portal_settings.current().approval_required
    return User(state=User.State.PENDING if needs_approval else User.State.ACTIVE)


def complete(user: User) -> None:
    """The address of a person who has signed up is confirmed: the account can be used, or waits to be approved."""
    user.confirmed_at = timezone.now()
    user.save(update_fields=["confirmed_at"])
    record(names.USER_SIGNED_UP, by=user, user=user)
    if user.state == User.State.PENDING:
        user_states.ask_for_approval(user)
