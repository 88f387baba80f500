"""The sign-up form. It stands apart from `accounts.forms`, which allauth's forms are built on."""

from allauth.account.forms import SignupForm
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest, HttpResponse

from accounts.models import User


class SignUpForm(SignupForm):
    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Allauth's own, in the same time for addresses that have an account: there is a password to hash."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        outcome: tuple[User | None, HttpResponse | None] = super().try_save(request)
        return outcome
