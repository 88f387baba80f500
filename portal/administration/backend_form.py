"""The forms of a backend and of a pool. Credentials are written here, and never shown again."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from apis.names import free_name
from backends import pairs
from backends.certificates import client_certificate
from backends.credentials import basic_authorization, credentials_of, put_credentials, split_basic
from backends.models import Backend
from gateway.configuration.sealed import SealedError
from gateway.configuration.snapshot import Credentials
from portal.gateway_addresses import refuse_own_address

CREDENTIAL_FIELDS = ("headers", "query", "basic_user", "basic_password", "new_certificate", "remove_certificate")
EMPTY = _("Empty: the gateway's setting.")
_CODE = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off", "class": "code-field"}


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]
    type = Backend.Type.POOL

    class Meta:
        widgets = {
            "description": UnfoldAdminTextareaWidget({"rows": 2}),
            "ca_pem": UnfoldAdminTextareaWidget({"rows": 3, **_CODE}),
        }
        labels = {"max_connections": _("Connections at most")}
        help_texts = {
            "name": _("Identifies it. Empty: made from the title."),
            "connect_seconds": EMPTY,
            "read_seconds": _(
                "Longest wait for the head of an answer, and longest pause in its body. Empty: the gateway's setting."
            ),
            "idle_connections": _("So many are kept at most. Empty: the gateway's setting."),
            "max_connections": _("Of each gateway process. Empty: no limit."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.type = self.type
        if "name" in self.fields:
            self.fields["name"].required = False

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        taken = Backend.objects.values_list("name", flat=True)
        return name or free_name(self.cleaned_data.get("title", ""), taken=taken, fallback="backend")


class BackendForm(PoolForm):
    type = Backend.Type.SINGLE

    headers = forms.CharField(
        label=_("Headers"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2, "placeholder": "x-functions-key: value", **_CODE}),
        help_text=format_lazy(
            _("One a line. {hidden} stands for the stored value; a line that is taken away is removed."),
            hidden=pairs.HIDDEN,
        ),
    )
    query = forms.CharField(
        label=_("Query parameters"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2, "placeholder": "code=value", **_CODE}),
        help_text=_("One a line, as they are: the gateway encodes the value."),
    )
    basic_user = forms.CharField(
        label=_("User name"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        help_text=_("For basic authentication. Empty: none."),
    )
    basic_password = forms.CharField(
        label=_("Password"),
        required=False,
        max_length=1000,
        strip=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=_("Empty: the stored one stays."),
    )
    new_certificate = forms.CharField(
        label=_("New client certificate"),
        required=False,
        max_length=100_000,
        widget=UnfoldAdminTextareaWidget({"rows": 3, "placeholder": "-----BEGIN CERTIFICATE-----", **_CODE}),
        help_text=_(
            "The certificate, its chain, and its private key without a password, in PEM form one after another."
        ),
    )
    remove_certificate = forms.BooleanField(
        label=_("Remove the client certificate"), required=False, widget=UnfoldBooleanSwitchWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "url" in self.fields:
            self.fields["url"].required = True
        try:
            self.stored = credentials_of(self.instance)
        except SealedError:
            self.stored = Credentials()
        self.stored_headers, user, self.stored_password = split_basic(self.stored.headers)
        self.initial["headers"] = pairs.shown(pairs.HEADER, self.stored_headers)
        self.initial["query"] = pairs.shown(pairs.QUERY, self.stored.query)
        self.initial["basic_user"] = user

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        refuse_own_address(url)
        return url

    def clean_headers(self) -> pairs.Pairs:
        return pairs.parse(pairs.HEADER, self.cleaned_data["headers"], self.stored_headers)

    def clean_query(self) -> pairs.Pairs:
        return pairs.parse(pairs.QUERY, self.cleaned_data["query"], self.stored.query)

    def clean_basic_user(self) -> str:
        user: str = self.cleaned_data["basic_user"]
        if ":" in user or not user.isprintable():
            raise ValidationError(gettext("A user name has printable characters only, and no colon (RFC 7617)."))
        return user

    def clean_new_certificate(self) -> str:
        pem: str = self.cleaned_data["new_certificate"]
        return client_certificate(pem) if pem else ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            data["basic_password"] = self._password(data)
        return data

    def _password(self, data: dict[str, Any]) -> str:
        user, password = data["basic_user"], data["basic_password"]
        if user and any(name.lower() == "authorization" for name, _ in data["headers"]):
            self.add_error("headers", gettext("Authorization is made from the user name: take one of the two away."))
        if password and not user:
            self.add_error("basic_user", gettext("Write the user name to the password."))
        if user and not password and user != self.initial["basic_user"]:
            self.add_error("basic_password", gettext("Write the password of this user."))
        return password or self.stored_password

    def save(self, commit: bool = True) -> Backend:
        """Untouched credentials keep their token, even one that cannot be opened."""
        if not set(CREDENTIAL_FIELDS).isdisjoint(self.changed_data):
            put_credentials(self.instance, self._credentials(self.cleaned_data))
        backend: Backend = super().save(commit)
        return backend

    def _credentials(self, data: dict[str, Any]) -> Credentials:
        user = data["basic_user"]
        basic = (basic_authorization(user, data["basic_password"]),) if user else ()
        kept = "" if data["remove_certificate"] else self.stored.certificate_pem
        return Credentials(
            headers=data["headers"] + basic, query=data["query"], certificate_pem=data["new_certificate"] or kept
        )
