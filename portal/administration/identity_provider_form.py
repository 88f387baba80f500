"""The form of an identity provider. Its secret is written here, and never shown again."""

import re
from typing import Any

from allauth.socialaccount import providers
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.utils.translation import gettext_lazy as _
from requests import RequestException
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts import provider_secrets

OPENID_CONNECT, MICROSOFT, SAML = "openid_connect", "microsoft", "saml"
KINDS = {
    OPENID_CONNECT: _("OpenID Connect: Entra ID, Keycloak, Okta, Auth0, …"),
    "google": "Google",
    "github": "GitHub",
    MICROSOFT: _("Microsoft account"),
    SAML: _("SAML: Entra ID, ADFS, Shibboleth, …"),
}
# Of these there can be several, each with an id of its own; of the others there is one.
WITH_ID = frozenset({OPENID_CONNECT, SAML})
_NO_TENANT = "common"
CONFIGURATION = "/.well-known/openid-configuration"
NEEDED = frozenset({"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"})


def kinds() -> list[tuple[str, Any]]:
    """Those that are installed."""
    return [(kind, label) for kind, label in KINDS.items() if providers.registry.get_class(kind) is not None]


class IdentityProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    provider = forms.ChoiceField(
        label=_("Kind"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("How it speaks with the portal. It decides which of the fields below count."),
    )
    new_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        max_length=1000,
        strip=True,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "off"}),
        help_text=_("From the provider, where the portal is registered as an application. Kept encrypted."),
    )
    server_url = forms.URLField(
        label=_("Address of the provider"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "OpenID Connect only: the issuer, such as https://login.microsoftonline.com/«tenant»/v2.0 or "
            "https://keycloak.example.org/realms/«realm». Its configuration is read from there."
        ),
    )
    tenant = forms.CharField(
        label=_("Tenant"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Microsoft account only: the organization's tenant. Empty: everybody's accounts."),
    )
    metadata_url = forms.URLField(
        label=_("Address of the metadata"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget,
        help_text=_("SAML only: where the provider publishes its metadata. Or give what follows."),
    )
    entity_id = forms.CharField(
        label=_("Entity id"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("SAML only: by which name the provider calls itself."),
    )
    sso_url = forms.URLField(
        label=_("Address of sign-in"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget,
        help_text=_("SAML only: where the provider signs people in (HTTP-Redirect)."),
    )
    certificate = forms.CharField(
        label=_("Certificate"),
        required=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget({"rows": 4, "class": "code-field"}),
        help_text=_("Of the provider, in PEM or base64."),
    )
    links_by_address = forms.BooleanField(
        label=_("Sign in by confirmed e-mail address"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_(
            "Who comes with an address that the provider has confirmed, and that an account here has confirmed too, "
            "is signed in to that account. Off: the account's owner connects the provider himself."
        ),
    )
    trusts_addresses = forms.BooleanField(
        label=_("All its e-mail addresses are confirmed"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_(
            "Only for a provider of your own, where nobody can enter an address that is not his. "
            "Off: what the provider says of each address counts."
        ),
    )

    class Meta:
        model = SocialApp
        fields = ["provider", "name", "provider_id", "client_id"]
        labels = {"provider_id": _("Id"), "client_id": _("Client id")}
        help_texts = {
            "name": _("Stands on the button: Sign in with …"),
            "provider_id": _("OpenID Connect and SAML: a short name for addresses, such as contoso. It stays."),
            "client_id": _("From your registration at the provider. SAML: empty."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields["provider"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = kinds()
        self.fields["client_id"].required = False
        saved = self.instance.settings
        has_secret = bool(saved.get(provider_secrets.SETTING))
        self.fields["new_secret"].help_text = (
            _("One is stored. Empty: it stays.") if has_secret else _("From your registration at the provider.")
        )
        saml = saved.get("idp", {})
        self.initial.update(
            {
                "server_url": saved.get("server_url", ""),
                "tenant": "" if saved.get("tenant") == _NO_TENANT else saved.get("tenant", ""),
                "metadata_url": saml.get("metadata_url", ""),
                "entity_id": saml.get("entity_id", ""),
                "sso_url": saml.get("sso_url", ""),
                "certificate": saml.get("x509cert", ""),
                "links_by_address": saved.get("email_authentication", False),
                "trusts_addresses": saved.get("verified_email", False),
            }
        )
        if self.instance.pk:
            for name in ("provider", "provider_id"):
                self.fields[name].disabled = True

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind = cleaned.get("provider")
        if kind is None:
            return cleaned
        self._clean_id(kind, cleaned)
        if kind == OPENID_CONNECT:
            self._clean_server_url(cleaned)
        if kind == SAML:
            self._clean_saml(cleaned)
        elif not cleaned.get("client_id"):
            self.add_error("client_id", _("Give the client id."))
        return cleaned

    def _clean_id(self, kind: str, cleaned: dict[str, Any]) -> None:
        name = cleaned["provider_id"] = cleaned.get("provider_id", "") if kind in WITH_ID else ""
        if kind in WITH_ID:
            try:
                validate_slug(name)
            except ValidationError:
                self.add_error("provider_id", _("Use letters, digits, hyphens and underscores."))
        if (
            name in KINDS
            or SocialApp.objects.filter(provider_id=name, provider=kind).exclude(pk=self.instance.pk).exists()
        ):
            self.add_error("provider_id" if name else "provider", _("There is one already."))

    def _clean_server_url(self, cleaned: dict[str, Any]) -> None:
        url = cleaned.get("server_url", "").rstrip("/")
        if not url and "server_url" not in self.errors:
            self.add_error("server_url", _("Give the address of the provider."))
        elif url and url != self.instance.settings.get("server_url") and not _is_openid_provider(url):
            self.add_error("server_url", _("The provider's configuration cannot be read there."))

    def _clean_saml(self, cleaned: dict[str, Any]) -> None:
        # Allauth finds a SAML provider by this column.
        cleaned["client_id"] = cleaned["provider_id"]
        if not cleaned.get("metadata_url") and not all(
            cleaned.get(name) for name in ("entity_id", "sso_url", "certificate")
        ):
            self.add_error("metadata_url", _("Give it, or the entity id, the address of sign-in and the certificate."))

    def save(self, commit: bool = True) -> SocialApp:
        app: SocialApp = super().save(commit=False)
        app.client_id = self.cleaned_data["client_id"]
        app.provider_id = self.cleaned_data["provider_id"] or ""
        app.settings = self._settings()
        if commit:
            app.save()
        return app

    def _settings(self) -> dict[str, Any]:
        values = self.cleaned_data
        old, kind = self.instance.settings, values["provider"]
        settings: dict[str, Any] = {
            "email_authentication": values["links_by_address"],
            "verified_email": values["trusts_addresses"] or None,
            provider_secrets.SETTING: provider_secrets.sealed(values["new_secret"])
            or old.get(provider_secrets.SETTING, ""),
        }
        if kind == OPENID_CONNECT:
            settings["server_url"] = values["server_url"].rstrip("/")
        if kind == MICROSOFT:
            settings["tenant"] = values["tenant"] or _NO_TENANT
        if kind == SAML:
            settings["idp"] = _saml_settings(values)
        return {name: value for name, value in settings.items() if value is not None}


def _is_openid_provider(url: str) -> bool:
    """Whether the configuration lies there that OpenID Connect Discovery 1.0 wants at that place."""
    try:
        with get_adapter().get_requests_session() as session:
            answer = session.get(url if "/.well-known/" in url else url + CONFIGURATION)
            answer.raise_for_status()
            configuration = answer.json()
    except RequestException:
        return False
    return isinstance(configuration, dict) and configuration.keys() >= NEEDED


def _saml_settings(values: dict[str, Any]) -> dict[str, str]:
    settings = {
        "metadata_url": values["metadata_url"],
        "entity_id": values["entity_id"],
        "sso_url": values["sso_url"],
        "x509cert": re.sub(r"-----[A-Z ]+-----|\s", "", values["certificate"]),
    }
    return {name: value for name, value in settings.items() if value}
