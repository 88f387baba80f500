"""Signing up through an identity provider. It stands apart from `accounts.forms`, which allauth builds its forms on."""

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.forms import SignupForm
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import render

from accounts import invitations
from accounts.invited_sign_up import invitation_of
from accounts.models import User
from accounts.sign_up import SignUpRules


class SocialSignUpForm(SignUpRules, SignupForm):
    """The form for whoever comes from a provider for the first time; who was invited gets the invited address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation_of(self.sociallogin)
        if self.invitation is not None:
            self.fields["email"].disabled = True
            self.initial["email"] = self.invitation.email
            for name in ("first_name", "last_name"):
                self.initial[name] = self.initial[name] or getattr(self.invitation, name)

    def clean_email(self) -> str:
        """The invitation counts, and not where the domain may sign up."""
        if self.invitation is not None:
            return self.invitation.email
        return super().clean_email()

    def save(self, request: HttpRequest) -> User:
        try:
            with transaction.atomic():
                user: User = super().save(request)
        except invitations.Unusable:
            raise ImmediateHttpResponse(render(request, "account/invitation_unusable.html", status=404)) from None
        return user
