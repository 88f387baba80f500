"""The form that accepts an invitation."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField
from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import invitations
from accounts.forms import NameForm
from accounts.models import Invitation, User
from accounts.terms import TermsForm


class InvitationForm(NameForm, TermsForm):
    """A name, a password, and what else is asked at sign-up; the address is the invitation's."""

    password1 = PasswordField(label=_("Password"), autocomplete="new-password", help_text=" ")
    password2 = PasswordField(label=_("Password (again)"), autocomplete="new-password")

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        initial = {"first_name": invitation.first_name, "last_name": invitation.last_name}
        super().__init__(*args, initial=initial, **kwargs)
        self.invitation = invitation
        last = ("password1", "password2", "terms", "terms_version")
        self.order_fields([*(name for name in self.fields if name not in last), *last])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        password = data.get("password1")
        if password and data.get("password2") and password != data["password2"]:
            self.add_error("password2", _("The passwords differ."))
        if password:
            names = {name: data.get(name, "") for name in ("first_name", "last_name")}
            try:
                get_adapter().clean_password(password, user=User(email=self.invitation.email, **names))
            except forms.ValidationError as error:
                self.add_error("password1", error)
        return data

    def accept(self, request: HttpRequest, token: str) -> User:
        """Make the account. Raises invitations.Unusable."""
        with transaction.atomic():
            user = invitations.accept(
                token,
                password=self.cleaned_data["password1"],
                first_name=self.cleaned_data["first_name"],
                last_name=self.cleaned_data["last_name"],
            )
            self.signup(request, user)
            self.note_acceptance(user)
        return user
