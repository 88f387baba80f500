"""Forms about people."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts import custom_fields
from accounts.localization import time_zones
from accounts.models import User
from accounts.names import validate_name


class NameForm(forms.Form):
    """A person's name and what administrators ask beside it.

    Asked at sign-up, with the e-mail address and the password, and changed in the profile.
    """

    first_name = forms.CharField(
        label=_("First name"),
        max_length=100,
        validators=[validate_name],
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=100,
        validators=[validate_name],
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(custom_fields.form_fields())

    @staticmethod
    def values_of(user: User) -> dict[str, Any]:
        """What the form shows at first of a person."""
        return {
            "first_name": user.first_name,
            "last_name": user.last_name,
            **custom_fields.values_of(user),
        }

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth when it has made the user. Mails will speak the language of the page."""
        user.language = get_language() or ""
        user.save(update_fields=["language"])
        self.rename(user)

    def rename(self, user: User) -> None:
        user.first_name = self.cleaned_data["first_name"]
        user.last_name = self.cleaned_data["last_name"]
        user.save(update_fields=["first_name", "last_name"])
        custom_fields.save(user, self.cleaned_data)


def _time_zones_by_region() -> list[tuple[object, object]]:
    """What a menu shows: the browser's, UTC, and cities below their continents."""
    cities: dict[str, list[tuple[str, str]]] = {}
    for name in time_zones():
        region, _slash, city = name.partition("/")
        cities.setdefault(region, []).append((name, city.replace("_", " ") or name))
    return [("", _("As my browser has it")), *cities.pop("UTC"), *cities.items()]


class PreferencesForm(forms.Form):
    """The language and the time zone of a person's pages and mails."""

    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("As my browser has it")), *settings.LANGUAGES],
        help_text=_("Of pages and mails."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        choices=_time_zones_by_region,
        help_text=_("Of the dates and times on pages and in mails."),
    )

    def save_for(self, user: User) -> None:
        user.language = self.cleaned_data["language"]
        user.time_zone = self.cleaned_data["time_zone"]
        user.save(update_fields=["language", "time_zone"])
