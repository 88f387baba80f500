"""The form of a webhook. Own headers are written here, and never shown again."""

from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from backends import pairs
from gateway.configuration.sealed import SealedError
from service.models import current
from webhooks.addresses import RefusedAddress, checked_addresses, target_of
from webhooks.endpoints import headers_of, put_headers
from webhooks.models import ALL_EVENTS, GROUP_END, Endpoint
from webhooks.payloads import FIELDS

_OWN_NAMES = ("webhook-", "svix-")
_CODE = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off", "class": "code-field"}


def event_choices() -> list[Any]:
    """All, then each group: the whole of it, and its events."""
    choices: list[Any] = [(ALL_EVENTS, gettext("All events, also those that later releases bring"))]
    for group, names in groupby(FIELDS, lambda name: name.partition(".")[0]):
        whole = (group + GROUP_END, gettext("All of %(group)s") % {"group": group + GROUP_END})
        choices.append((group, [whole, *((name, name) for name in names)]))
    return choices


class EventsWidget(forms.CheckboxSelectMultiple):
    """A group of boxes for each group of events."""

    template_name = "admin/webhooks/endpoint/_events.html"


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]
    events = forms.MultipleChoiceField(
        label=_("Events"), choices=event_choices, widget=EventsWidget, help_text=_("What it is told of.")
    )
    headers = forms.CharField(
        label=_("Own headers"),
        required=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget({"rows": 2, **_CODE}),
        help_text=format_lazy(
            _(
                "One a line, such as Authorization: Bearer value; sent with each message, stored encrypted. "
                "{hidden} stands for the stored value; a line that is taken away is removed."
            ),
            hidden=pairs.HIDDEN,
        ),
    )

    class Meta:
        model = Endpoint
        fields = ["name", "url", "allows_http", "description", "events", "is_active"]
        labels = {"allows_http": _("Unencrypted HTTP is allowed")}
        widgets = {
            "url": UnfoldAdminTextInputWidget,
            "description": UnfoldAdminTextareaWidget({"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            self.stored = headers_of(self.instance)
        except SealedError:
            self.stored = ()
        self.stored_origin = urlsplit(self.instance.url)[:2]
        self.initial["headers"] = pairs.shown(pairs.HEADER, self.stored)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "url" in data:
            self._check_headers(data)
            self._check_address(data["url"], allows_http=bool(data.get("allows_http")))
        return data

    def _check_address(self, url: str, *, allows_http: bool) -> None:
        try:
            checked_addresses(target_of(url, allows_http=allows_http), current())
        except RefusedAddress as error:
            self.add_error("url", str(error))
        except ValidationError as error:
            self.add_error("url", error)

    def _check_headers(self, data: dict[str, Any]) -> None:
        """Stored values are for the host that they were given for: who changes it does not have them sent elsewhere."""
        kept = self.stored if urlsplit(data["url"])[:2] == self.stored_origin else ()
        try:
            data["headers"] = pairs.parse(pairs.HEADER, data.get("headers", ""), kept)
        except ValidationError as error:
            self.add_error("headers", error)
            return
        for name, _value in data["headers"]:
            if name.lower() == "user-agent" or name.lower().startswith(_OWN_NAMES):
                self.add_error("headers", gettext("%(name)s is written by the portal itself.") % {"name": name})

    def save(self, commit: bool = True) -> Endpoint:
        """Untouched headers keep their token, even one that cannot be opened."""
        if "headers" in self.changed_data:
            put_headers(self.instance, self.cleaned_data["headers"])
        endpoint: Endpoint = super().save(commit)
        return endpoint
