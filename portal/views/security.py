"""The account area's pages about signing in: means of it, and where one is signed in."""

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import devices
from portal.http import SignedInRequest
from portal.posting import posted_from
from portal.signing_in import sign_in_required

Type = Authenticator.Type


@require_safe
@sign_in_required
@never_cache
def security(request: SignedInRequest) -> HttpResponse:
    factors = list(Authenticator.objects.filter(user=request.user).order_by("pk"))
    recovery_codes = next((one for one in factors if one.type == Type.RECOVERY_CODES), None)
    context = {
        "passkeys": [one for one in factors if one.type == Type.WEBAUTHN],
        "authenticator_app": any(one.type == Type.TOTP for one in factors),
        "recovery_codes": recovery_codes,
        "recovery_codes_left": len(recovery_codes.wrap().get_unused_codes()) if recovery_codes else 0,
        "connected": SocialAccount.objects.filter(user=request.user).order_by("pk"),
    }
    return render(request, "portal/account/security.html", context)


@dataclass(frozen=True, slots=True)
class ShownSession:
    row: UserSession
    device: str
    is_this: bool


@require_safe
@sign_in_required
@never_cache
def sessions(request: SignedInRequest) -> HttpResponse:
    """The session that is asking comes first, then those seen last."""
    shown = [
        ShownSession(row, devices.in_words(row.user_agent), row.session_key == request.session.session_key)
        for row in UserSession.objects.purge_and_list(request.user)
    ]
    shown.sort(key=lambda session: (session.is_this, session.row.last_seen_at), reverse=True)
    return render(request, "portal/account/sessions.html", {"sessions": shown})


@require_POST
@sign_in_required
def end_session(request: SignedInRequest, session_id: int) -> HttpResponse:
    get_object_or_404(UserSession, pk=session_id, user=request.user).end()
    messages.success(request, _("That session is signed out."))
    return redirect("portal:sessions")


@posted_from("portal:sessions")
@sign_in_required
def end_other_sessions(request: SignedInRequest) -> HttpResponse:
    for session in UserSession.objects.filter(user=request.user).exclude(session_key=request.session.session_key):
        session.end()
    messages.success(request, _("You are signed out everywhere else."))
    return redirect("portal:sessions")
