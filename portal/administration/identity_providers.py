"""The pages of the identity providers through which people sign in."""

from typing import Any

import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.administration.identity_provider_form import KINDS, SAML, IdentityProviderForm
from portal.administration.model_admin import ModelAdmin

# Shown on the user's own page, or nobody's business.
for model in (Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

# What the pages call them.
SocialApp._meta.verbose_name = _("identity provider")  # type: ignore[assignment]
SocialApp._meta.verbose_name_plural = _("identity providers")  # type: ignore[assignment]
apps.get_app_config("socialaccount").verbose_name = _("People")  # type: ignore[assignment]


def callback_url(app: SocialApp) -> str:
    """Where the provider sends people back to; it wants to know the address beforehand."""
    if app.provider == SAML:
        path = reverse("saml_acs", args=[app.client_id])
    elif app.provider_id:
        path = reverse(f"{app.provider}_callback", args=[app.provider_id])
    else:
        path = reverse(f"{app.provider}_callback")
    return str(settings.PORTAL_URL) + path


@admin.register(SocialApp)
class IdentityProviderAdmin(ModelAdmin):
    form = IdentityProviderForm
    list_display = ["name", "kind", "client_id"]
    list_per_page = 50
    readonly_fields = ["shown_callback_url", "test"]
    fieldsets = [
        (
            None,
            {
                "fields": ["provider", "name", "provider_id", "client_id", "new_secret", "shown_callback_url", "test"],
                "description": _(
                    "Register this portal at the provider first; it gives you a client id and a secret, "
                    "and wants the redirect address below."
                ),
            },
        ),
        (_("OpenID Connect"), {"fields": ["server_url"]}),
        (_("Microsoft account"), {"fields": ["tenant"]}),
        (_("SAML"), {"fields": ["metadata_url", "entity_id", "sso_url", "certificate"]}),
        (_("E-mail addresses"), {"fields": ["links_by_address", "trusts_addresses"]}),
    ]

    @admin.display(description=_("kind"), ordering="provider")
    def kind(self, app: SocialApp) -> str:
        return str(KINDS.get(app.provider, app.provider)).partition(":")[0]

    @admin.display(description=_("redirect address"))
    def shown_callback_url(self, app: SocialApp) -> str:
        if not app.pk:
            return str(_("Is shown once the provider is saved."))
        try:
            return format_html('<code class="break-all">{}</code>', callback_url(app))
        except NoReverseMatch:
            return str(_("This kind is not installed any more."))

    @admin.display(description=_("test"))
    def test(self, app: SocialApp) -> str:
        """Connecting the provider to one's own account goes the whole way, and signs nobody out."""
        if not app.pk:
            return "–"
        return format_html(
            '<a href="{}">{}</a>', reverse("portal:security"), _("Connect it to your own account on the page Security")
        )

    def get_fieldsets(self, request: HttpRequest, obj: SocialApp | None = None) -> Any:
        """Of a provider that is there, what its kind needs."""
        if obj is None:
            return self.fieldsets
        others = {
            "openid_connect": gettext("OpenID Connect"),
            "microsoft": gettext("Microsoft account"),
            "saml": "SAML",
        }
        others.pop(obj.provider, None)
        return [part for part in self.fieldsets if str(part[0]) not in {str(_(name)) for name in others.values()}]
