"""Teams in the administration."""

import pytest
from django.urls import reverse

from accounts import teams
from accounts.models import Team
from events.models import Event
from subscriptions import lifecycle
from subscriptions.models import Subscription
from subscriptions.ownership import transfer
from tests.admin.page_form import errors_of, rows, submit

TEAMS = "/admin/accounts/team/"


@pytest.fixture
def team(alice) -> Team:
    return teams.create(name="Data science", by=alice)


def page(team: Team) -> str:
    return reverse("admin:accounts_team_change", args=[team.pk])


def members(team: Team) -> dict[str, str]:
    return dict(team.memberships.values_list("user__first_name", "role"))


def test_team_is_made_with_an_owner(admin, alice):
    owner = rows("memberships", {"user": alice.pk, "role": "owner"})
    response = submit(admin, f"{TEAMS}add/", "team_form", name="Data science", **owner)
    assert response.status_code == 302, errors_of(response)
    assert members(Team.objects.get()) == {"Alice": "owner"}
    assert Event.objects.filter(name="team.member_joined").exists()


def test_team_without_an_owner_is_refused(admin, team):
    answer = submit(admin, page(team), "team_form", **{"memberships-0-role": "member"})
    assert "A team needs an owner" in errors_of(answer)
    assert members(team) == {"Alice": "owner"}


def test_owner_is_replaced_in_one_step(admin, team, bob):
    new = rows("memberships", {"user": bob.pk, "role": "owner"}, start=1)
    submit(admin, page(team), "team_form", **new, **{"memberships-0-DELETE": "on"})
    assert members(team) == {"Bob": "owner"}


def test_roles_are_swapped(admin, team, bob):
    team.memberships.create(user=bob)
    submit(admin, page(team), "team_form", **{"memberships-0-role": "member", "memberships-1-role": "owner"})
    assert members(team) == {"Alice": "member", "Bob": "owner"}


def test_membership_is_not_handed_to_somebody_else(admin, team, bob):
    submit(admin, page(team), "team_form", **{"memberships-0-user": bob.pk})
    assert members(team) == {"Alice": "owner"}


def test_limits_hold_for_administrators(admin, team, bob, monkeypatch):
    monkeypatch.setattr(teams, "TEAMS_PER_USER", 0)
    new = rows("memberships", {"user": bob.pk, "role": "member"}, start=1)
    response = submit(admin, page(team), "team_form", **new)
    assert members(team) == {"Alice": "owner"}
    assert "teams at most" in admin.get(response["Location"]).text


def test_team_with_live_subscriptions_is_not_deleted(admin, team):
    made = lifecycle.create(display_name="Ours", by=None)
    Subscription.objects.filter(pk=made.pk).update(team=team)
    delete = reverse("admin:accounts_team_delete", args=[team.pk])
    assert "1 subscription of Data science" in admin.get(delete).text
    admin.post(delete, {"post": "yes"})
    assert members(team) == {"Alice": "owner"}


def test_deleted_team_is_kept_for_its_history_and_changed_no_more(admin, team, alice):
    admin.post(reverse("admin:accounts_team_delete", args=[team.pk]), {"post": "yes"})
    team.refresh_from_db()
    assert (team.deleted_at is None, members(team)) == (False, {})
    assert admin.post(page(team), {"name": "Back"}).status_code == 403


def test_deleted_team_is_given_nothing(admin, team, alice):
    made = lifecycle.create(display_name="Hers", by=None, owner=alice)
    teams.delete(team, by=alice)
    with pytest.raises(lifecycle.LifecycleError):
        transfer(made, to=team, by=None)
    offered = {"app_label": "subscriptions", "model_name": "subscription", "field_name": "team", "term": "Data"}
    assert admin.get("/admin/autocomplete/", offered).json()["results"] == []


def test_team_is_found_by_a_member(admin, team, bob):
    teams.create(name="Other", by=bob)
    found = admin.get(TEAMS, {"q": "alice@"}).text
    assert ("Data science" in found, ">Other<" in found) == (True, False)
