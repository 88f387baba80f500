"""Signing up through an identity provider. It stands apart from `accounts.forms`, which allauth builds its forms on."""

from typing import Any

from allauth.socialaccount.forms import SignupForm
from django.db import transaction
from django.http import HttpRequest

from accounts.addresses import is_only_wanted
from accounts.models import User
from accounts.sign_up import validate_domain, validate_invited
from accounts.terms import TermsForm


class SocialSignUpForm(SignupForm, TermsForm):
    """The form for whoever comes from a provider for the first time; the same rules as for all who sign up."""

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

    def save(self, request: HttpRequest) -> User:
        with transaction.atomic():
            user: User = super().save(request)
        return user

    def custom_signup(self, request: HttpRequest, user: User) -> None:
        super().custom_signup(request, user)
        self.note_acceptance(user)
