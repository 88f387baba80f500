"""The end of an account: by its owner, or by an administrator who does it for him.

What says who the person was is erased; the row stays, as deleted, for what names it (Azure: UserState).
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import teams, user_states
from accounts.models import Invitation, Team, TeamInvitation, TeamMembership, User, UserStateChange
from events import names
from events.models import Event
from events.recording import record
from subscriptions.ownership import end_all_of

# Reserved by RFC 2606: nothing is ever sent there.
_NOWHERE = "deleted-{}@deleted.invalid"


class SoleOwner(ValueError):
    """Teams would be left without an owner; the text is meant for the user."""

    def __init__(self, teams: list[Team]) -> None:
        self.teams = teams
        super().__init__(
            _("Make somebody else an owner of these teams first, or delete them: %(teams)s.")
            % {"teams": ", ".join(team.name for team in teams)}
        )


def close(user: User, *, by: User) -> None:
    """End the account and all that is his alone. Raises SoleOwner, TeamError or user_states.LastAdministrator."""
    with transaction.atomic():
        # Rows of teams are locked before those of people, as accounts.teams wants it.
        _leave_teams(user)
        user_states.refuse_last_administrator(user)
        row = User.objects.select_for_update().get(pk=user.pk)
        if row.state == User.State.DELETED:
            return
        end_all_of(row, by=by)
        # The farewell is sent when nothing else knows the address any more.
        record(names.USER_CLOSED, by=by, user=row, email=row.email, person=row.full_name)
        _erase(row)
        UserStateChange.objects.create(user=row, by=by, state=row.state)


def _leave_teams(user: User) -> None:
    alone = list(teams.sole_ownerships(user))
    if alone:
        raise SoleOwner(alone)
    for membership in TeamMembership.objects.filter(user=user).order_by("team"):
        teams.remove(membership, by=user)


def _erase_invitations(user: User) -> None:
    """Also those that went to an address which he has had: they hold it, and his name."""
    addresses = {user.email.lower(), *EmailAddress.objects.filter(user=user).values_list("email", flat=True)}
    accepted = Invitation.objects.filter(accepted_by=user)
    addresses.update(accepted.values_list("email", flat=True))
    accepted.delete()
    for invitations in (Invitation, TeamInvitation):
        invitations.objects.filter(email__in=addresses).delete()
    Event.objects.filter(name=names.USER_INVITED, data__email__in=addresses).delete()


def _erase(user: User) -> None:
    _erase_invitations(user)
    user_states.end_sessions(user)
    for owned in (EmailAddress, Authenticator, SocialAccount):
        owned.objects.filter(user=user).delete()
    Event.objects.filter(name=names.USER_SIGNED_IN_FROM_NEW_DEVICE, by=user).delete()
    user.custom_values.all().delete()
    user.address_changes.all().delete()
    user.audience_groups.clear()
    user.claimed_memberships.all().delete()
    user.user_permissions.clear()
    user.groups.clear()
    user.email = _NOWHERE.format(user.pk)
    user.first_name = user.last_name = user.note = ""
    user.is_staff = user.is_superuser = False
    user.staff_role = ""
    user.state = User.State.DELETED
    user.set_unusable_password()
    user.save()
