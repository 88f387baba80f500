"""Accepting an invitation with an identity provider instead of a password.

The link decides, as it does for passwords: whoever has it makes the account, which gets the invited address, whatever
address the provider knows him by. Allauth keeps the invitation with the state of this one way to the provider and back.
"""

from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import invitations
from accounts.models import Invitation


def leave(request: HttpRequest, invitation: Invitation, provider_id: str) -> HttpResponse | None:
    """The way to the provider; None where there is no such one."""
    for provider in get_adapter().list_providers(request):
        if provider.sub_id == provider_id:
            way: HttpResponse = provider.redirect(request, AuthProcess.LOGIN, data={"invitation": invitation.digest})
            return way
    return None


def invitation_of(login: SocialLogin) -> Invitation | None:
    """The invitation by whose link the person went to the provider; None without one, or where it works no more."""
    kept: dict[str, Any] = login.state.get("data") or {}
    try:
        return invitations.find_by_digest(kept.get("invitation", ""), timezone.now())
    except invitations.Unusable:
        return None
