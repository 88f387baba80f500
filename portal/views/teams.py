"""Teams: those that one is in, one of them, and the invitations to them."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import team_sign_up, teams
from accounts.models import TeamInvitation, TeamMembership, TeamRole
from portal.access import membership_or_404, ownership_or_404
from portal.http import PageRequest, SignedInRequest
from portal.posting import posted_from
from portal.signing_in import sign_in_required
from portal.team_forms import DeleteTeamForm, InvitationForm, InviteForm, RoleForm, TeamNameForm


@require_safe
@sign_in_required
@never_cache
def listed(request: SignedInRequest) -> HttpResponse:
    return _list_page(request, TeamNameForm())


def _list_page(request: SignedInRequest, form: TeamNameForm) -> HttpResponse:
    own = request.user.team_memberships.select_related("team").annotate(member_count=Count("team__memberships"))
    context = {
        "memberships": own.order_by("team__name", "pk"),
        "invitations": teams.invitations_for(request.user, timezone.now()),
        "form": form,
    }
    return render(request, "portal/teams/teams.html", context)


@posted_from("portal:teams")
@sign_in_required
def create(request: SignedInRequest) -> HttpResponse:
    form = TeamNameForm(request.POST)
    if form.is_valid():
        try:
            made = teams.create(name=form.cleaned_data["name"], by=request.user)
        except teams.TeamError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The team is there. Invite the others now."))
            return redirect("portal:team", made.pk)
    return _list_page(request, form)


@require_safe
@sign_in_required
@never_cache
def team(request: SignedInRequest, team_id: int) -> HttpResponse:
    return _team_page(request, membership_or_404(request.user, team_id))


def _team_page(
    request: SignedInRequest,
    own: TeamMembership,
    *,
    invite_form: InviteForm | None = None,
    name_form: TeamNameForm | None = None,
) -> HttpResponse:
    context = {
        "own": own,
        "team": own.team,
        "memberships": own.team.memberships.select_related("user"),
        "invitations": own.team.invitations.open(timezone.now()) if own.is_owner else (),
        "subscriptions": teams.live_subscriptions(own.team),
        "roles": TeamRole,
        "invite_form": invite_form or InviteForm(),
        "name_form": name_form or TeamNameForm(initial={"name": own.team.name}),
    }
    return render(request, "portal/teams/team.html", context)


@posted_from("portal:team")
@sign_in_required
def rename(request: SignedInRequest, team_id: int) -> HttpResponse:
    own = ownership_or_404(request.user, team_id)
    form = TeamNameForm(request.POST)
    if not form.is_valid():
        return _team_page(request, own, name_form=form)
    teams.rename(own.team, form.cleaned_data["name"])
    messages.success(request, _("The new name is saved."))
    return redirect("portal:team", team_id)


@posted_from("portal:team")
@sign_in_required
def invite(request: SignedInRequest, team_id: int) -> HttpResponse:
    own = ownership_or_404(request.user, team_id)
    form = InviteForm(request.POST)
    if form.is_valid():
        email = form.cleaned_data["email"]
        try:
            teams.invite(own.team, email, TeamRole(form.cleaned_data["role"]), by=request.user)
        except teams.TeamError as error:
            form.add_error("email", str(error))
        else:
            messages.success(request, _("The invitation to %(email)s is on its way.") % {"email": email})
            return redirect("portal:team", team_id)
    return _team_page(request, own, invite_form=form)


@posted_from("portal:team")
@sign_in_required
def revoke(request: SignedInRequest, team_id: int) -> HttpResponse:
    own = ownership_or_404(request.user, team_id)
    form = InvitationForm(request.POST, invitations=own.team.invitations.all())
    if form.is_valid():
        teams.revoke(form.cleaned_data["invitation"])
    messages.success(request, _("The invitation does not work any more."))
    return redirect("portal:team", team_id)


@posted_from("portal:team")
@sign_in_required
def change_role(request: SignedInRequest, team_id: int) -> HttpResponse:
    own = ownership_or_404(request.user, team_id)
    form = RoleForm(request.POST, memberships=own.team.memberships.all())
    if not form.is_valid():
        messages.error(request, _("Choose a member of the team, and a role."))
        return redirect("portal:team", team_id)
    changed, role = form.cleaned_data["member"], TeamRole(form.cleaned_data["role"])
    return _told(
        request,
        own,
        lambda: teams.change_role(changed, role, by=request.user),
        _("%(person)s is now: %(role)s.") % {"person": changed.user, "role": role.label},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def remove(request: SignedInRequest, team_id: int, membership_id: int) -> HttpResponse:
    own = ownership_or_404(request.user, team_id)
    removed = get_object_or_404(own.team.memberships.select_related("user"), pk=membership_id)
    if request.method != "POST":
        return render(request, "portal/teams/remove.html", {"team": own.team, "membership": removed})
    return _told(
        request,
        own,
        lambda: teams.remove(removed, by=request.user),
        _("%(person)s is not in the team any more.") % {"person": removed.user},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def leave(request: SignedInRequest, team_id: int) -> HttpResponse:
    own = membership_or_404(request.user, team_id)
    if request.method != "POST":
        return render(request, "portal/teams/leave.html", {"team": own.team})
    left = _("You have left the team %(team)s.") % {"team": own.team.name}
    return _told(request, own, lambda: teams.remove(own, by=request.user), left)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def delete(request: SignedInRequest, team_id: int) -> HttpResponse:
    """A team with live subscriptions is deleted by who says that they shall end."""
    own = ownership_or_404(request.user, team_id)
    live = teams.live_subscriptions(own.team)
    form = DeleteTeamForm(request.POST if request.method == "POST" else None, has_subscriptions=bool(live))
    if request.method == "POST" and form.is_valid():
        try:
            teams.delete(own.team, by=request.user, cancel_subscriptions=form.cancels_subscriptions)
        except teams.TeamError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The team %(team)s is deleted.") % {"team": own.team.name})
            return redirect("portal:teams")
    return render(request, "portal/teams/delete.html", {"team": own.team, "live": live, "form": form})


def _told(request: SignedInRequest, own: TeamMembership, act: Callable[[], None], done: str) -> HttpResponse:
    """Act, tell what became of it, and lead to the page of the team, or to the list for who is not in it any more."""
    try:
        act()
    except teams.TeamError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    if own.team.memberships.filter(user=request.user).exists():
        return redirect("portal:team", own.team.pk)
    return redirect("portal:teams")


# -- Invitations -------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: PageRequest, token: str) -> HttpResponse:
    """Where the link in the mail leads. GET changes nothing: programs that scan mails follow links."""
    found = teams.invitation_of(token, timezone.now())
    if found is None:
        return render(request, "portal/teams/invitation_ended.html", status=404)
    if request.method == "POST" and _wants_to_decline(request):
        return _declined(request, found)
    if request.method == "POST" and request.user.is_authenticated:
        return _accepted(request, found)
    if request.method == "POST" and team_sign_up.is_offered():
        team_sign_up.begin(request, found)
        return redirect(f"{reverse('account_signup')}?{urlencode({'next': request.path})}")
    is_for_user = request.user.is_authenticated and _own_invitations(request).filter(pk=found.pk).exists()
    context = {"invitation": found, "is_for_user": is_for_user, "invites_people": team_sign_up.is_offered()}
    return render(request, "portal/teams/invitation.html", context)


@posted_from("portal:teams")
@sign_in_required
def answer(request: SignedInRequest) -> HttpResponse:
    """To an invitation that the list of teams shows."""
    form = InvitationForm(request.POST, invitations=_own_invitations(request))
    if not form.is_valid():
        messages.error(request, str(teams.InvitationEnded()))
        return redirect("portal:teams")
    found = form.cleaned_data["invitation"]
    return _declined(request, found) if _wants_to_decline(request) else _accepted(request, found)


def _own_invitations(request: PageRequest) -> QuerySet[TeamInvitation]:
    assert request.user.is_authenticated
    return teams.invitations_for(request.user, timezone.now())


def _wants_to_decline(request: PageRequest) -> bool:
    return request.POST.get("answer") == "decline"


def _accepted(request: PageRequest, found: TeamInvitation) -> HttpResponse:
    assert request.user.is_authenticated
    try:
        teams.accept(found, by=request.user)
    except teams.TeamError as error:
        messages.error(request, str(error))
        return redirect("portal:teams")
    messages.success(request, _("You are in the team %(team)s.") % {"team": found.team.name})
    return redirect("portal:team", found.team.pk)


def _declined(request: PageRequest, found: TeamInvitation) -> HttpResponse:
    teams.decline(found)
    messages.success(request, _("The invitation to %(team)s is declined.") % {"team": found.team.name})
    return redirect("portal:teams" if request.user.is_authenticated else "portal:home")
