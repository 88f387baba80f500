"""The pages of teams, tried by an owner, a member, a stranger, an administrator, and nobody."""

import re

import pytest
from django.core import mail
from django.test import Client

from accounts import teams
from accounts.models import Team, TeamRole

pytestmark = pytest.mark.usefixtures("service")
TEAMS = "/profile/teams/"


@pytest.fixture
def team(alice, bob) -> Team:
    """Alice owns it, bob is a member."""
    team = teams.create(name="Data science", by=alice)
    team.memberships.create(user=bob)
    return team


@pytest.fixture
def page(team) -> str:
    return f"{TEAMS}{team.pk}/"


@pytest.fixture
def browsers(alice, bob, mallory, admin_user, signed_in) -> dict[str, Client]:
    people = {"owner": alice, "member": bob, "stranger": mallory, "administrator": admin_user}
    return {name: signed_in(user) for name, user in people.items()} | {"nobody": Client()}


def link_in(text: str) -> str:
    return re.search(r"/teams/invitations/\S+", text)[0]


@pytest.fixture
def link(team, alice) -> str:
    """Where the mail to a person without an account leads."""
    teams.invite(team, "dora@example.org", TeamRole.MEMBER, by=alice)
    return link_in(mail.outbox[-1].body)


READ = {"owner": 200, "member": 200, "stranger": 404, "administrator": 404, "nobody": 302}
OWN = {"owner": 200, "member": 403, "stranger": 404, "administrator": 404, "nobody": 302}
LED_BACK = {"owner": 302, "member": 302, "stranger": 302, "administrator": 302, "nobody": 302}


@pytest.mark.parametrize("who", READ)
@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("", READ),
        ("leave/", READ),
        ("delete/", OWN),
        ("rename/", LED_BACK),
        ("invite/", LED_BACK),
        ("revoke/", LED_BACK),
        ("role/", LED_BACK),
    ],
)
def test_who_opens_which_page(browsers, page, who, path, statuses):
    assert browsers[who].get(page + path).status_code == statuses[who]


@pytest.mark.parametrize("who", ["member", "stranger", "administrator", "nobody"])
@pytest.mark.parametrize("path", ["rename/", "invite/", "revoke/", "role/", "delete/", "members/{}/remove/"])
def test_only_an_owner_changes_the_team(browsers, page, team, bob, who, path):
    member = team.memberships.get(user=bob)
    fields = {"name": "Mine", "email": "x@example.org", "role": "owner", "member": member.pk, "invitation": 1}
    answer = browsers[who].post(page + path.format(member.pk), fields)
    assert answer.status_code == OWN[who]
    team.refresh_from_db()
    assert (team.name, team.deleted_at, team.memberships.count()) == ("Data science", None, 2)
    assert not mail.outbox


def test_team_is_made_and_the_maker_is_led_to_it(mallory, signed_in):
    answer = signed_in(mallory).post(f"{TEAMS}create/", {"name": "Own"}, follow=True)
    assert "<h1>Own</h1>" in answer.text
    assert list(Team.objects.owned_by(mallory).values_list("name", flat=True)) == ["Own"]


@pytest.mark.parametrize("name", ["", "x" * 101, "a\u202eb", "a\x00b"])
def test_bad_name_is_refused_and_stays_in_the_field(alice, signed_in, page, name):
    answer = signed_in(alice).post(f"{page}rename/", {"name": name})
    assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (200, True)


def test_owner_invites_and_takes_it_back(browsers, page, team):
    owner = browsers["owner"]
    owner.post(f"{page}invite/", {"email": "Dora@Example.org", "role": "member"})
    assert "dora@example.org" in owner.get(page).text
    link = link_in(mail.outbox[-1].body)
    owner.post(f"{page}revoke/", {"invitation": team.invitations.get().pk})
    assert "dora@example.org" not in owner.get(page).text
    assert Client().get(link).status_code == 404


def test_inviting_tells_nothing_about_accounts(browsers, page, mallory):
    def told(email: str) -> str:
        answer = browsers["owner"].post(f"{page}invite/", {"email": email, "role": "member"}, follow=True)
        return re.sub(r"\s+", " ", answer.text.split('class="messages"')[1].split("</ul>")[0]).replace(email, "")

    assert told(mallory.email) == told("nobody@example.org")


def test_members_do_not_see_open_invitations(browsers, page, link):
    assert "dora@example.org" in browsers["owner"].get(page).text
    assert "dora@example.org" not in browsers["member"].get(page).text


def test_looking_at_an_invitation_changes_nothing(link, team):
    assert "Sign in with the address dora@example.org" in Client().get(link).text
    assert team.invitations.get().ended_at is None


def test_invited_person_accepts_through_the_link(team, alice, mallory, signed_in):
    teams.invite(team, mallory.email, TeamRole.MEMBER, by=alice)
    link = link_in(mail.outbox[-1].body)
    browser = signed_in(mallory)
    assert 'value="accept"' in browser.get(link).text
    browser.post(link, {"answer": "accept"})
    assert team.members.contains(mallory)
    assert browser.get(link).status_code == 404


def test_link_of_another_address_joins_nobody(link, team, mallory, signed_in):
    browser = signed_in(mallory)
    assert 'value="accept"' not in browser.get(link).text
    browser.post(link, {"answer": "accept"})
    assert not team.members.contains(mallory)


def test_invitation_is_declined_without_an_account(link, team):
    Client().post(link, {"answer": "decline"})
    assert team.invitations.get().outcome == "declined"
    assert Client().get(link).status_code == 404


def test_own_invitations_are_listed_and_answered_without_the_link(team, alice, mallory, signed_in):
    invitation = teams.invite(team, mallory.email, TeamRole.MEMBER, by=alice)
    browser = signed_in(mallory)
    assert "Data science" in browser.get(TEAMS).text
    browser.post(f"{TEAMS}answer/", {"invitation": invitation.pk, "answer": "accept"})
    assert team.members.contains(mallory)


@pytest.mark.parametrize("number", ["1", "9" * 30, "x", "-1"])
def test_invitation_of_somebody_else_is_not_answered_by_its_number(link, team, mallory, signed_in, number):
    for answer in ("accept", "decline"):
        signed_in(mallory).post(f"{TEAMS}answer/", {"invitation": number, "answer": answer})
    assert team.invitations.get().ended_at is None
    assert not team.members.contains(mallory)


@pytest.mark.parametrize("link", ["/teams/invitations/x/", "/teams/invitations/" + "a" * 2000 + "/"])
def test_link_that_we_did_not_make_says_so(link):
    assert Client().get(link).status_code == 404


def test_roles_change_and_the_last_owner_stays(browsers, page, team, alice, bob):
    owner = browsers["owner"]
    owner.post(f"{page}role/", {"member": team.memberships.get(user=alice).pk, "role": "member"})
    assert team.memberships.get(user=alice).is_owner
    owner.post(f"{page}role/", {"member": team.memberships.get(user=bob).pk, "role": "owner"})
    owner.post(f"{page}role/", {"member": team.memberships.get(user=alice).pk, "role": "member"})
    assert [one.is_owner for one in team.memberships.order_by("user")] == [False, True]


def test_members_of_other_teams_are_out_of_reach(browsers, page, mallory):
    other = teams.create(name="Other", by=mallory).memberships.get()
    assert browsers["owner"].post(f"{page}members/{other.pk}/remove/").status_code == 404
    browsers["owner"].post(f"{page}role/", {"member": other.pk, "role": "member"})
    other.refresh_from_db()
    assert other.is_owner


def test_member_is_removed_and_leaves(browsers, page, team, bob, alice):
    browsers["owner"].post(f"{page}members/{team.memberships.get(user=bob).pk}/remove/")
    assert browsers["member"].get(page).status_code == 404
    answer = browsers["owner"].post(f"{page}leave/", follow=True)
    assert "A team needs an owner" in answer.text
    assert team.members.contains(alice)


def test_deleted_team_is_gone_for_all(browsers, page):
    browsers["owner"].post(f"{page}delete/")
    assert {browsers[who].get(page).status_code for who in ("owner", "member")} == {404}
