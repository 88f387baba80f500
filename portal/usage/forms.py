"""What the pages about own calls ask for."""

from datetime import datetime

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# As much of a key as pages show, subscriptions.keys.
KEY_PREFIX_CHARACTERS = 4

_AS_CODE = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "none"}


class RequestIdForm(forms.Form):
    request_id = forms.CharField(
        label=_("Request id"),
        max_length=100,
        strip=True,
        widget=forms.TextInput(attrs=_AS_CODE),
        help_text=_("The answer's header X-Request-Id, such as 7c9e6679-7425-40de-944b-e07fc1f90ae7."),
    )


class KeyAndTimeForm(forms.Form):
    key_start = forms.CharField(
        label=_("How the key begins"),
        min_length=KEY_PREFIX_CHARACTERS,
        max_length=KEY_PREFIX_CHARACTERS,
        strip=True,
        widget=forms.TextInput(attrs=_AS_CODE),
        help_text=_("Its first four characters, as your subscriptions show them. Leave the rest out: it is a secret."),
    )
    at = forms.DateTimeField(
        label=_("When the call was made"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
        input_formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"],
        help_text=_("Within five minutes is near enough."),
    )

    def clean_at(self) -> datetime:
        """In years of which every time zone has all days."""
        at: datetime = self.cleaned_data["at"]
        if not 1970 <= at.year < 2200:
            raise forms.ValidationError(gettext("No call was made then."))
        return at
