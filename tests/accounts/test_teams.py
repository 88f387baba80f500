"""What happens to a team, and the rules that always hold."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from accounts import teams
from accounts.models import Team, TeamInvitation, TeamMembership, TeamRole, User
from events.models import Event
from subscriptions import lifecycle
from subscriptions.models import Subscription

OWNER, MEMBER = TeamRole.OWNER, TeamRole.MEMBER


@pytest.fixture
def team(alice) -> Team:
    return teams.create(name="Data science", by=alice)


def join(team: Team, user: User, role: TeamRole = MEMBER) -> TeamMembership:
    invitation = teams.invite(team, user.email, role, by=team.members.first())
    return teams.accept(invitation, by=user)


def membership_of(team: Team, user: User) -> TeamMembership:
    return team.memberships.get(user=user)


def subscribe(team: Team) -> Subscription:
    """A live subscription of the team."""
    made = lifecycle.create(display_name="Ours", by=None)
    Subscription.objects.filter(pk=made.pk).update(team=team)
    return Subscription.objects.get(pk=made.pk)


def team_events() -> list[str]:
    return list(Event.objects.filter(name__startswith="team.").values_list("name", flat=True))


def test_who_makes_a_team_owns_it(team, alice):
    assert membership_of(team, alice).is_owner


def test_invited_person_joins_in_the_role_that_was_offered(team, bob):
    assert join(team, bob, OWNER).is_owner
    assert team_events() == ["team.created", "team.member_invited", "team.member_joined"]


def test_invitation_can_be_accepted_once(team, alice, bob):
    invitation = teams.invite(team, bob.email, MEMBER, by=alice)
    teams.accept(invitation, by=bob)
    with pytest.raises(teams.InvitationEnded):
        teams.accept(invitation, by=bob)


def test_invitation_runs_out(team, alice, bob):
    invitation = teams.invite(team, bob.email, MEMBER, by=alice)
    with pytest.raises(teams.InvitationEnded):
        teams.accept(invitation, by=bob, now=timezone.now() + timedelta(days=7))


def test_invitation_is_for_the_address_that_it_names(team, alice, bob, mallory):
    invitation = teams.invite(team, bob.email, MEMBER, by=alice)
    with pytest.raises(teams.OtherAddress):
        teams.accept(invitation, by=mallory)


def test_invitation_is_not_accepted_with_an_address_that_is_not_confirmed(team, alice, bob):
    bob.emailaddress_set.update(verified=False)
    invitation = teams.invite(team, bob.email, MEMBER, by=alice)
    with pytest.raises(teams.OtherAddress):
        teams.accept(invitation, by=bob)


def test_revoked_invitation_does_not_work(team, alice, bob):
    invitation = teams.invite(team, bob.email, MEMBER, by=alice)
    teams.revoke(invitation)
    with pytest.raises(teams.InvitationEnded):
        teams.accept(invitation, by=bob)


def test_another_invitation_of_an_address_replaces_the_first(team, alice, bob):
    first = teams.invite(team, bob.email, MEMBER, by=alice)
    second = teams.invite(team, bob.email.upper(), OWNER, by=alice)
    assert list(team.invitations.open(timezone.now())) == [second]
    with pytest.raises(teams.InvitationEnded):
        teams.accept(first, by=bob)


def test_token_is_in_the_mail_and_only_its_digest_in_the_database(team, alice):
    invitation = teams.invite(team, "dora@example.org", MEMBER, by=alice)
    token = mail.outbox[-1].body.split("/teams/invitations/")[1].split("/")[0]
    assert teams.invitation_of(token, timezone.now()) == invitation
    assert token not in str(TeamInvitation.objects.values())
    assert token not in str(Event.objects.values())


def test_members_are_not_invited_again(team, alice, bob):
    join(team, bob)
    with pytest.raises(teams.AlreadyMember):
        teams.invite(team, bob.email, MEMBER, by=alice)


def test_inviting_does_not_tell_another_address_of_a_member(team, alice, bob):
    join(team, bob)
    bob.emailaddress_set.create(email="bob.private@example.org", verified=True)
    invitation = teams.invite(team, "bob.private@example.org", MEMBER, by=alice)
    with pytest.raises(teams.AlreadyMember):
        teams.accept(invitation, by=bob)


@pytest.mark.parametrize(
    ("limit", "count", "error"),
    [("MEMBERS_PER_TEAM", 2, teams.TooManyMembers), ("INVITATIONS_PER_HOUR", 1, teams.TooManyInvitations)],
)
def test_invitations_are_limited(team, alice, monkeypatch, limit, count, error):
    monkeypatch.setattr(teams, limit, count)
    teams.invite(team, "dora@example.org", MEMBER, by=alice)
    with pytest.raises(error):
        teams.invite(team, "emil@example.org", MEMBER, by=alice)
    assert len(mail.outbox) == 1


def test_revoking_makes_no_room_for_more_mails(team, alice, monkeypatch):
    monkeypatch.setattr(teams, "INVITATIONS_PER_HOUR", 1)
    teams.revoke(teams.invite(team, "dora@example.org", MEMBER, by=alice))
    with pytest.raises(teams.TooManyInvitations):
        teams.invite(team, "dora@example.org", MEMBER, by=alice)


def test_teams_of_a_person_are_limited(team, alice, bob, monkeypatch):
    monkeypatch.setattr(teams, "TEAMS_PER_USER", 1)
    with pytest.raises(teams.TooManyTeams):
        teams.create(name="Another", by=alice)
    teams.create(name="Bob's", by=bob)
    with pytest.raises(teams.TooManyTeams):
        join(team, bob)


def test_last_owner_neither_leaves_nor_steps_down(team, alice, bob):
    join(team, bob)
    with pytest.raises(teams.LastOwner):
        teams.remove(membership_of(team, alice), by=alice)
    with pytest.raises(teams.LastOwner):
        teams.change_role(membership_of(team, alice), MEMBER, by=alice)
    assert list(teams.sole_ownerships(alice)) == [team]


def test_owner_leaves_when_there_is_another_one(team, alice, bob):
    join(team, bob, OWNER)
    teams.remove(membership_of(team, alice), by=alice)
    assert list(team.members.all()) == [bob]
    assert team_events()[-1] == "team.member_left"


def test_blocked_owner_is_no_owner_to_rely_on(team, alice, bob):
    join(team, bob, OWNER)
    User.objects.filter(pk=bob.pk).update(state=User.State.BLOCKED)
    with pytest.raises(teams.LastOwner):
        teams.remove(membership_of(team, alice), by=alice)
    assert list(teams.sole_ownerships(alice)) == [team]


def test_subscriptions_of_a_team_stand_in_the_way_of_its_end(team, alice):
    subscribe(team)
    with pytest.raises(teams.TeamHasSubscriptions):
        teams.delete(team, by=alice)
    assert list(team.members.all()) == [alice]


def test_subscriptions_end_with_the_team_where_that_is_wanted(team, alice):
    subscription = subscribe(team)
    teams.delete(team, by=alice, cancel_subscriptions=True)
    subscription.refresh_from_db()
    assert (subscription.state, subscription.team) == (Subscription.State.CANCELLED, team)
    assert not Team.objects.of(alice).exists()


def test_invitation_to_a_deleted_team_does_not_work(team, alice, bob):
    invitation = teams.invite(team, bob.email, MEMBER, by=alice)
    teams.delete(team, by=alice)
    with pytest.raises(teams.TeamError):
        teams.accept(invitation, by=bob)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time")
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_the_same_time_leave_one_behind(team, alice, bob):
    join(team, bob, OWNER)
    refusals: list[Exception] = []
    start = threading.Barrier(2, timeout=60)

    def leave(user: User) -> None:
        try:
            start.wait()
            teams.remove(membership_of(team, user), by=user)
        except teams.LastOwner as error:
            refusals.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=[user]) for user in (alice, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refusals), team.memberships.count()) == (1, 1)
