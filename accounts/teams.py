"""What happens to a team: made, joined by invitation, left, deleted.

A team always has an owner whose account is active, as far as its members decide: the last one neither
leaves nor becomes a member. Everything that could break this takes the lock of the team's row first,
and then that of a person's.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Team, TeamInvitation, TeamMembership, TeamRole, User
from events import names
from events.recording import record
from subscriptions import lifecycle
from subscriptions.models import Subscription

Outcome = TeamInvitation.Outcome

TEAMS_PER_USER = 20
# Members and open invitations together.
MEMBERS_PER_TEAM = 100
INVITATIONS_PER_HOUR = 30
INVITATION_DAYS = 7


class TeamError(ValueError):
    """That cannot be done; the text says why and is meant for the user."""


class TooManyTeams(TeamError):
    def __init__(self) -> None:
        super().__init__(_("A person can be in %(count)d teams at most.") % {"count": TEAMS_PER_USER})


class TooManyMembers(TeamError):
    def __init__(self) -> None:
        text = _("A team has at most %(count)d members, open invitations included.")
        super().__init__(text % {"count": MEMBERS_PER_TEAM})


class TooManyInvitations(TeamError):
    def __init__(self) -> None:
        text = _("You can send %(count)d invitations an hour. Send this one later.")
        super().__init__(text % {"count": INVITATIONS_PER_HOUR})


class AlreadyMember(TeamError):
    def __init__(self) -> None:
        super().__init__(_("Is in the team already."))


class InvitationEnded(TeamError):
    def __init__(self) -> None:
        super().__init__(_("This invitation does not work any more. Ask an owner of the team for another one."))


class OtherAddress(TeamError):
    def __init__(self) -> None:
        super().__init__(_("The invitation went to another address than yours."))


class LastOwner(TeamError):
    def __init__(self) -> None:
        super().__init__(_("A team needs an owner. Make somebody else an owner first, or delete the team."))


class TeamHasSubscriptions(TeamError):
    def __init__(self, count: int) -> None:
        text = ngettext(
            "The team has %(count)d live subscription. Cancel it first, or confirm that it ends.",
            "The team has %(count)d live subscriptions. Cancel them first, or confirm that they end.",
            count,
        )
        super().__init__(text % {"count": count})


# -- The team ----------------------------------------------------------------------------------


def create(*, name: str, by: User) -> Team:
    """A team with `by` as its owner."""
    with transaction.atomic():
        _lock_for_another_team(by)
        team = Team(name=name)
        team.full_clean()
        team.save()
        TeamMembership.objects.create(team=team, user=by, role=TeamRole.OWNER)
        record(names.TEAM_CREATED, by=by, team=team)
    return team


def rename(team: Team, name: str) -> None:
    team.name = name
    team.full_clean()
    team.save(update_fields=["name"])


def delete(team: Team, *, by: User | None, cancel_subscriptions: bool = False) -> None:
    """End a team with its memberships, its open invitations and, where that is wanted, its live subscriptions.

    Raises TeamHasSubscriptions otherwise.
    """
    with transaction.atomic():
        locked = _lock(team)
        live = live_subscriptions(locked)
        if live and not cancel_subscriptions:
            raise TeamHasSubscriptions(len(live))
        for subscription in live:
            lifecycle.change_state(subscription, Subscription.State.CANCELLED, by=by)
        record(names.TEAM_DELETED, by=by, team=locked, members=list(locked.members.values_list("pk", flat=True)))
        now = timezone.now()
        _end(locked.invitations.all(), Outcome.REVOKED, now)
        locked.memberships.all().delete()
        locked.deleted_at = now
        locked.save(update_fields=["deleted_at"])


def live_subscriptions(team: Team) -> list[Subscription]:
    return list(team.subscriptions.exclude(state__in=lifecycle.ENDED).select_related("product", "api"))


# -- Members -----------------------------------------------------------------------------------


def add(team: Team, user: User, role: TeamRole, *, by: User | None) -> TeamMembership:
    """Put somebody into a team without asking him. Raises TeamError where a limit is reached."""
    with transaction.atomic():
        return _join(_lock(team), user, role, by=by)


def _join(locked: Team, user: User, role: str, *, by: User | None) -> TeamMembership:
    if locked.memberships.filter(user=user).exists():
        raise AlreadyMember
    if locked.memberships.count() >= MEMBERS_PER_TEAM:
        raise TooManyMembers
    _lock_for_another_team(user)
    membership = TeamMembership.objects.create(team=locked, user=user, role=role)
    record(names.TEAM_MEMBER_JOINED, by=by, team=locked, user=user, role=str(role))
    return membership


def remove(membership: TeamMembership, *, by: User | None) -> None:
    """Take somebody out of a team, or oneself. Raises LastOwner."""
    with transaction.atomic():
        _lock(membership.team)
        row = _again(membership)
        _refuse_last_owner(row)
        row.delete()
        name = names.TEAM_MEMBER_LEFT if by == row.user else names.TEAM_MEMBER_REMOVED
        record(name, by=by, team=row.team, user=row.user)


def change_role(membership: TeamMembership, role: TeamRole, *, by: User | None) -> None:
    """Raises LastOwner where the team would have no owner left."""
    with transaction.atomic():
        _lock(membership.team)
        row = _again(membership)
        if row.role == role:
            return
        _refuse_last_owner(row)
        row.role = role
        row.save(update_fields=["role"])
        record(names.TEAM_MEMBER_ROLE_CHANGED, by=by, team=row.team, user=row.user, role=role.value)


def sole_ownerships(user: User) -> QuerySet[Team]:
    """The teams that nobody could act for without this person."""
    others = _active_owners().filter(team=OuterRef("pk")).exclude(user=user)
    return Team.objects.owned_by(user).exclude(Exists(others))


def _active_owners() -> QuerySet[TeamMembership]:
    return TeamMembership.objects.filter(role=TeamRole.OWNER, user__state=User.State.ACTIVE)


def _refuse_last_owner(membership: TeamMembership) -> None:
    if membership.is_owner and not _active_owners().filter(team=membership.team).exclude(pk=membership.pk).exists():
        raise LastOwner


def _again(membership: TeamMembership) -> TeamMembership:
    """The membership as it is now. Raises TeamError where there is none any more."""
    row = TeamMembership.objects.select_related("team", "user").filter(pk=membership.pk).first()
    if row is None:
        raise TeamError(_("Is not in the team any more."))
    return row


# -- Invitations -------------------------------------------------------------------------------


def invite(team: Team, email: str, role: TeamRole, *, by: User, now: datetime | None = None) -> TeamInvitation:
    """Ask somebody by e-mail to join; an open invitation of the address is replaced.

    Whether the address has an account plays no part in it. Raises TeamError where a limit is
    reached, or the address is the one that the team sees of a member.
    """
    now = now or timezone.now()
    email = email.lower()
    token = token_urlsafe(32)
    with transaction.atomic():
        _lock(team)
        if team.members.filter(email__iexact=email).exists():
            raise AlreadyMember
        _end(team.invitations.filter(email=email), Outcome.REVOKED, now)
        _refuse_many_invitations(team, by, now)
        invitation = TeamInvitation.objects.create(
            team=team,
            email=email,
            role=role,
            token_digest=_digest(token),
            invited_by=by,
            created_at=now,
            expires_at=now + timedelta(days=INVITATION_DAYS),
        )
        record(names.TEAM_MEMBER_INVITED, by=by, team=team, invitation=invitation)
        _send(invitation, token)
    return invitation


def _refuse_many_invitations(team: Team, by: User, now: datetime) -> None:
    if team.memberships.count() + team.invitations.open(now).count() >= MEMBERS_PER_TEAM:
        raise TooManyMembers
    User.objects.select_for_update().get(pk=by.pk)
    if TeamInvitation.objects.filter(invited_by=by, created_at__gt=now - timedelta(hours=1)).count() >= (
        INVITATIONS_PER_HOUR
    ):
        raise TooManyInvitations


def _send(invitation: TeamInvitation, token: str) -> None:
    context = {"invitation": invitation, "url": settings.PORTAL_URL + reverse("portal:team_invitation", args=[token])}
    get_adapter().render_mail("account/email/team_invitation", invitation.email, context).send()


def invitation_of(token: str, now: datetime) -> TeamInvitation | None:
    """The open invitation that a link leads to."""
    return (
        TeamInvitation.objects.open(now)
        .select_related("team", "invited_by")
        .filter(token_digest=_digest(token))
        .first()
    )


def invitations_for(user: User, now: datetime) -> QuerySet[TeamInvitation]:
    """The open invitations of a person's confirmed addresses."""
    addresses = EmailAddress.objects.filter(user=user, verified=True).values(lower=Lower("email"))
    found = TeamInvitation.objects.open(now).annotate(address=Lower("email")).filter(address__in=addresses)
    return found.select_related("team", "invited_by")


def accept(invitation: TeamInvitation, *, by: User, now: datetime | None = None) -> TeamMembership:
    """Join the team, as the person whose confirmed address was invited. Raises TeamError."""
    now = now or timezone.now()
    with transaction.atomic():
        team = _lock(invitation.team)
        if not _end(TeamInvitation.objects.open(now).filter(pk=invitation.pk), Outcome.ACCEPTED, now):
            raise InvitationEnded
        if not EmailAddress.objects.filter(user=by, verified=True, email__iexact=invitation.email).exists():
            raise OtherAddress
        return _join(team, by, invitation.role, by=by)


def decline(invitation: TeamInvitation) -> None:
    """What was accepted meanwhile stays so."""
    _end(TeamInvitation.objects.filter(pk=invitation.pk), Outcome.DECLINED, timezone.now())


def revoke(invitation: TeamInvitation) -> None:
    """What was accepted meanwhile stays so."""
    _end(TeamInvitation.objects.filter(pk=invitation.pk), Outcome.REVOKED, timezone.now())


def _end(invitations: QuerySet[TeamInvitation], outcome: TeamInvitation.Outcome, now: datetime) -> int:
    """End those that have not ended yet; returns how many."""
    return invitations.filter(ended_at=None).update(ended_at=now, outcome=outcome)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


# -- Locks -------------------------------------------------------------------------------------


def _lock(team: Team) -> Team:
    """The team's row, locked. Raises TeamError where the team is deleted."""
    locked = Team.objects.select_for_update().filter(pk=team.pk, deleted_at=None).first()
    if locked is None:
        raise TeamError(_("The team is deleted."))
    return locked


def _lock_for_another_team(user: User) -> None:
    """Raise TooManyTeams where the person cannot be in one more; nobody else adds him to one meanwhile."""
    User.objects.select_for_update().get(pk=user.pk)
    if user.team_memberships.count() >= TEAMS_PER_USER:
        raise TooManyTeams
