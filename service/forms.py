"""The form of the first run."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from service.models import Service


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Set-up code"),
        max_length=200,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "one-time-code", "autofocus": True}),
    )


class SetupForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the service is called, who runs it, and who administers it."""

    administrator_password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "new-password"}),
        help_text=password_validators_help_text_html,
    )
    repeated_password = forms.CharField(
        label=_("Password, once more"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "new-password"}),
    )

    class Meta:
        model = Service
        fields = ["name", "organization_name", "administrator_email"]
        widgets = {
            "name": forms.TextInput(
                attrs={
                    "class": "input",
                    "autocomplete": "off",
                    "autocapitalize": "none",
                    "spellcheck": "false",
                    "autofocus": True,
                }
            ),
            "organization_name": forms.TextInput(attrs={"class": "input", "autocomplete": "organization"}),
            "administrator_email": forms.EmailInput(attrs={"class": "input", "autocomplete": "email"}),
        }
        help_texts = {
            "name": _("Letters, digits and hyphens, such as contoso-apis. It cannot be changed later."),
            "organization_name": _("Shown in the developer portal and in e-mails."),
            "administrator_email": _("You sign in with it, and the service sends its notifications there."),
        }

    def clean_administrator_password(self) -> str:
        password: str = self.cleaned_data["administrator_password"]
        validate_password(password, User(email=self.cleaned_data.get("administrator_email", "")))
        return password

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        # As they were typed: both may be refused for more than one reason.
        if self["administrator_password"].value() != self["repeated_password"].value():
            self.add_error("repeated_password", gettext("The passwords differ."))
        return data
