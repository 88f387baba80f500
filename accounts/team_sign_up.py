"""Signing up by an invitation to a team, where sign-up is by invitation and administrators let teams invite."""

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import TeamInvitation
from portalsettings import models as portal_settings
from portalsettings.models import PortalSettings

_SESSION_KEY = "team_invitation"


def is_offered() -> bool:
    settings = portal_settings.current()
    return settings.sign_up == PortalSettings.SignUp.INVITATION and settings.teams_invite_people


def begin(request: HttpRequest, invitation: TeamInvitation) -> None:
    """Let the browser sign up the person who was invited, as long as the invitation is open."""
    request.session[_SESSION_KEY] = invitation.pk


def invitation_of(request: HttpRequest) -> TeamInvitation | None:
    """The invitation by which the browser may sign up; None where it may not, or may without one."""
    if _SESSION_KEY not in request.session or not is_offered():
        return None
    return TeamInvitation.objects.open(timezone.now()).filter(pk=request.session[_SESSION_KEY]).first()
