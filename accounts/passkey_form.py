"""The form that adds a passkey. It stands apart from `accounts.forms`, which allauth's forms are built on."""

from typing import Any

from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.names import validate_name


class AddPasskeyForm(AddWebAuthnForm):
    name = forms.CharField(label=_("Name"), required=False, max_length=100, validators=[validate_name])
    passwordless = forms.BooleanField(
        label=_("It signs me in alone, without a password"),
        required=False,
        initial=True,
    )

    field_order = ["name", "passwordless"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"
