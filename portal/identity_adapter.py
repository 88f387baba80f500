"""How sign-in through identity providers behaves here."""

from collections.abc import Mapping
from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from django.http import HttpRequest
from django.urls import reverse

from accounts import invitations, provider_secrets, sign_up
from accounts.invited_sign_up import invitation_of
from accounts.models import User


class IdentityAdapter(DefaultSocialAccountAdapter):
    """Allauth's own rules; secrets are encrypted at rest, and an account is entered by a confirmed address only."""

    error_messages = {
        name: str(text).replace("email address", "e-mail address")
        for name, text in DefaultSocialAccountAdapter.error_messages.items()
    }

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        apps: list[SocialApp] = super().list_apps(request, provider=provider, client_id=client_id)
        for app in apps:
            app.secret = provider_secrets.opened(app.settings.get(provider_secrets.SETTING, ""))
        return apps

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Who proves an address that an account has confirmed signs in to that account.

        An account that never confirmed the address may be a stranger's, who waits there for its owner.
        """
        found: tuple[User, str] | None = super().authenticate_by_email(sociallogin)
        if found is None:
            return None
        user, email = found
        is_confirmed = EmailAddress.objects.filter(user=user, email__iexact=email, verified=True).exists()
        return found if is_confirmed else None

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Also for whom administrators invited, whatever else they allow."""
        return invitation_of(sociallogin) is not None or super().is_open_for_signup(request, sociallogin)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """An address that the provider has confirmed completes the sign-up; another one is confirmed by mail first.

        An invitation's link has confirmed the address, and nobody has to approve who was invited; raises Unusable.
        """
        if form is not None and form.invitation is not None:
            return self._save_invited(request, sociallogin, form)
        user: User = super().save_user(request, sociallogin, form)
        if EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists():
            sign_up.complete(user)
        return user

    def _save_invited(self, request: HttpRequest, sociallogin: SocialLogin, form: Any) -> User:
        row = invitations.for_new_account(form.invitation.digest)
        sociallogin.user.state = User.State.ACTIVE
        sociallogin.email_addresses = [EmailAddress(email=row.email, verified=True, primary=True)]
        user: User = super().save_user(request, sociallogin, form)
        invitations.complete(row, user)
        return user

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        return reverse("portal:security")


def claims_of(account: SocialAccount) -> Mapping[str, Any]:
    """What the provider says of the person. OpenID Connect says it at two places, of which the fresher one counts."""
    said: dict[str, Any] = account.extra_data
    parts = [part for part in (said.get("id_token"), said.get("userinfo")) if isinstance(part, dict)]
    return {name: value for part in parts for name, value in part.items()} if parts else said
