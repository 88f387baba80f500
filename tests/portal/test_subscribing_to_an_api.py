"""Subscriptions to one API, where its publisher offers them."""

import pytest
from django.test import Client

from accounts.models import Team, TeamMembership
from apis.models import API
from portalsettings.models import PortalSettings
from subscriptions import lifecycle
from subscriptions.models import Subscription

PAGE = "/profile/subscriptions/new/echo/"
Offered = API.Subscribing


def offer(api: API, subscribing: str) -> None:
    API.objects.filter(pk=api.pk).update(subscribing=subscribing)


@pytest.mark.parametrize(("offered", "state"), [(Offered.AT_ONCE, "active"), (Offered.APPROVAL, "submitted")])
def test_a_developer_subscribes_to_an_api_that_offers_it(starter, api, alice, signed_in, offered, state):
    offer(api, offered)
    client = signed_in(alice)
    assert PAGE in client.get("/apis/echo/").text
    answer = client.post(PAGE, {"display_name": "Mine"})
    made = Subscription.objects.get()
    assert (made.owner, made.api, made.product, made.state) == (alice, api, None, state)
    assert answer["Location"] == f"/profile/subscriptions/{made.pk}/"


def test_an_api_offers_none_unless_its_publisher_says_so(starter, api, alice, signed_in):
    client = signed_in(alice)
    assert PAGE not in client.get("/apis/echo/").text
    assert client.get(PAGE).status_code == 404
    assert client.post(PAGE, {"display_name": "Mine"}).status_code == 404
    with pytest.raises(lifecycle.LifecycleError, match="subscribe to a product"):
        lifecycle.subscribe_to_api(user=alice, api=api, display_name="Mine")


def test_an_api_that_one_does_not_see_cannot_be_subscribed_to(partners, api, alice, mallory, signed_in):
    offer(api, Offered.AT_ONCE)
    assert signed_in(alice).get(PAGE).status_code == 200
    assert signed_in(mallory).post(PAGE, {"display_name": "Mine"}).status_code == 404
    assert Client().post(PAGE, {"display_name": "Mine"})["Location"].startswith("/account/login/")
    assert not Subscription.objects.exists()


def test_an_owner_subscribes_for_his_team(starter, api, alice, signed_in):
    offer(api, Offered.AT_ONCE)
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=alice, role="owner")
    signed_in(alice).post(PAGE, {"display_name": "Ours", "team": team.pk})
    assert Subscription.objects.get().team == team


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_name_that_is_no_good_is_asked_for_again(starter, api, alice, signed_in, name):
    offer(api, Offered.AT_ONCE)
    assert signed_in(alice).post(PAGE, {"display_name": name}).status_code == 200
    assert not Subscription.objects.exists()


def test_the_console_leads_to_it(starter, api, alice, signed_in):
    offer(api, Offered.AT_ONCE)
    assert PAGE in signed_in(alice).get("/apis/echo/say/").text


def test_nobody_subscribes_to_an_api_past_an_own_site_that_sells_subscriptions(starter, api, alice, signed_in):
    offer(api, Offered.AT_ONCE)
    PortalSettings.objects.create(delegation_url="https://own.example/", delegates_subscriptions=True)
    client = signed_in(alice)
    assert PAGE not in client.get("/apis/echo/").text
    assert client.post(PAGE, {"display_name": "Mine"}).status_code == 404
    assert not Subscription.objects.exists()
