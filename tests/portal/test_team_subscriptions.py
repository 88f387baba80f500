"""Subscriptions of a team in the portal: members look and use, owners change."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, TeamMembership
from portal.console.keys import UnusableSubscription, chosen, offer
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription

Role = TeamMembership.Role


@pytest.fixture
def team(alice, bob) -> Team:
    """Alice owns it, bob is a member."""
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=alice, role=Role.OWNER)
    TeamMembership.objects.create(team=team, user=bob)
    return team


@pytest.fixture
def subscription(starter, alice, team) -> Subscription:
    return lifecycle.subscribe(user=alice, product=starter, display_name="Orders app", team=team)


def _url(subscription: Subscription, rest: str = "") -> str:
    return f"/profile/subscriptions/{subscription.pk}/{rest}"


CHANGES = ["rename/", "cancel/", "transfer/", "keys/primary/regenerate/", "keys/end-old/"]


def test_members_see_the_subscription_and_its_keys(subscription, alice, bob, signed_in):
    for person in (alice, bob):
        assert "Orders app" in signed_in(person).get("/profile/").text
        assert signed_in(person).get(_url(subscription)).status_code == 200
        page = signed_in(person).post(_url(subscription, "keys/primary/")).text
        assert keys.reveal(subscription, keys.Slot.PRIMARY) in page


@pytest.mark.parametrize("page", CHANGES)
def test_members_change_nothing(page, subscription, bob, signed_in):
    key = keys.reveal(subscription, keys.Slot.PRIMARY)
    assert signed_in(bob).post(_url(subscription, page), {"display_name": "His"}).status_code == 403
    subscription.refresh_from_db()
    assert (subscription.display_name, subscription.state) == ("Orders app", "active")
    assert keys.reveal(subscription, keys.Slot.PRIMARY) == key


def test_members_are_offered_nothing_that_they_cannot_do(subscription, alice, bob, signed_in):
    for page in ("/profile/", _url(subscription)):
        assert "/regenerate/" in signed_in(alice).get(page).text
        for word in ("/regenerate/", "/cancel/", "/rename/"):
            assert word not in signed_in(bob).get(page).text


@pytest.mark.parametrize("page", ["", *CHANGES, "keys/primary/"])
def test_for_strangers_and_administrators_it_does_not_exist(page, subscription, mallory, admin_user, signed_in):
    for stranger in (mallory, admin_user):
        method = signed_in(stranger).post if page else signed_in(stranger).get
        assert method(_url(subscription, page)).status_code == 404
    assert Client().get(_url(subscription)).status_code == 302


def test_the_console_offers_keys_of_the_team_to_its_members(subscription, api, bob, mallory):
    now = timezone.now()
    assert offer(bob, api, now).usable == (subscription,)
    assert chosen(bob, api, str(subscription.pk), now) == subscription
    assert offer(mallory, api, now).usable == ()
    with pytest.raises(UnusableSubscription):
        chosen(mallory, api, str(subscription.pk), now)


def test_owners_of_a_team_subscribe_for_it(starter, team, alice, signed_in):
    client = signed_in(alice)
    assert "Myself" in client.get("/products/starter/").text
    client.post("/products/starter/subscribe/", {"display_name": "Ours", "team": team.pk})
    made = Subscription.objects.get()
    assert (made.owner, made.team) == (None, team)


@pytest.mark.parametrize("person", ["bob", "mallory"])
def test_others_do_not_subscribe_for_the_team(person, starter, team, signed_in, request):
    client = signed_in(request.getfixturevalue(person))
    assert "Myself" not in client.get("/products/starter/").text
    client.post("/products/starter/subscribe/", {"display_name": "Ours", "team": team.pk})
    assert not Subscription.objects.filter(team=team).exists()


def test_who_has_reached_the_limit_may_still_subscribe_for_his_team(starter, team, alice, signed_in):
    starter.subscriptions_limit = 1
    starter.save()
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    client = signed_in(alice)
    answer = client.post("/products/starter/subscribe/", {"display_name": "Mine too"})
    assert "limit reached" in answer.text
    client.post("/products/starter/subscribe/", {"display_name": "Ours", "team": team.pk})
    assert Subscription.objects.filter(team=team).count() == 1


def test_an_owner_hands_his_subscription_on_to_his_team(starter, team, alice, signed_in):
    own = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    client = signed_in(alice)
    assert "Orders" in client.get(_url(own, "transfer/")).text
    page = client.post(_url(own, "transfer/"), {"team": team.pk, "comment": "I leave"}, follow=True).text
    assert "Mine belongs to the team Orders now." in page
    assert "Handed on to the team Orders" in page
    own.refresh_from_db()
    assert (own.owner, own.team) == (None, team)


def test_a_subscription_goes_to_no_foreign_team(starter, alice, mallory, signed_in):
    foreign = Team.objects.create(name="Foreign")
    TeamMembership.objects.create(team=foreign, user=mallory, role=Role.OWNER)
    own = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    for team in (foreign.pk, "x", "9" * 30):
        assert signed_in(alice).post(_url(own, "transfer/"), {"team": team}).status_code == 200
    own.refresh_from_db()
    assert own.owner == alice
