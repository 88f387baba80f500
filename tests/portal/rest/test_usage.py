"""What programs learn of their subscription by its key, and people of theirs."""

import json
from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import Team, TeamMembership, User
from analytics.models import QuotaUse
from gateway.catalogue import admission
from portal.rest.throttling import ByCaller
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription, SubscriptionKey
from tests.portal.usage.conftest import summed

Slot = SubscriptionKey.Slot


@pytest.fixture(autouse=True)
def fresh_counts():
    cache.clear()


@pytest.fixture
def mine(starter, alice) -> Subscription:
    return lifecycle.subscribe(user=alice, product=starter, display_name="Laptop")


@pytest.fixture
def key(mine) -> str:
    return keys.reveal(mine, Slot.PRIMARY)


def ask(key: str | None, query: str = "", **headers: str):
    sent = {"Ocp-Apim-Subscription-Key": key} if key is not None else {}
    return Client().get(f"/usage{query}", headers=sent | headers)


def called(subscription: Subscription, *calls: tuple[datetime, int]) -> None:
    """Calls with their status, as the worker sums them."""
    summed(*((subscription, {"at": at.timestamp(), "response_code": status}) for at, status in calls))


def test_a_program_learns_what_is_left_and_what_it_called(mine, key):
    now = timezone.now()
    called(mine, (now, 200), (now, 200), (now, 429), (now - timedelta(days=2), 500))
    QuotaUse.objects.create(subscription_id=mine.pk, product_id=mine.product_id, calls=40, period_start=now)
    answer = ask(key, "?days=3")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    told = answer.json()
    assert (told["subscriptionId"], told["product"], told["limitsAreLive"]) == (str(mine.pk), "starter", False)
    rate, quota = told["limits"]
    assert (rate["kind"], rate["limit"], rate["left"], rate["renewalPeriodSeconds"]) == ("rate", 5, None, 60)
    assert (quota["kind"], quota["limit"], quota["used"], quota["left"]) == ("quota", 100, 40, 60)
    assert quota["resetsInSeconds"] == pytest.approx(604_800, abs=60)
    assert [day["callCountTotal"] for day in told["days"]] == [1, 0, 3]
    assert told["usage"] == {
        **{"callCountSuccess": 2, "callCountBlocked": 1, "callCountFailed": 1, "callCountOther": 0},
        **{"callCountTotal": 4, "bandwidth": 4 * 30},
    }


def test_each_of_both_keys_will_do(mine):
    for slot in Slot:
        assert ask(keys.reveal(mine, slot)).json()["subscriptionId"] == str(mine.pk)


def test_days_are_those_of_the_time_zone(mine, key):
    now = timezone.now()
    called(mine, (now, 200))
    days = {}
    for name in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        told = ask(key, f"?days=1&timeZone={name}").json()
        assert (told["timeZone"], [day["callCountTotal"] for day in told["days"]]) == (name, [1])
        days[name] = told["days"][0]["day"]
    # 14 hours ahead of UTC, and 11 behind.
    assert days == {
        "Pacific/Kiritimati": f"{now + timedelta(hours=14):%Y-%m-%d}",
        "Pacific/Pago_Pago": f"{now - timedelta(hours=11):%Y-%m-%d}",
    }


REFUSED = ["k" * 257, "x" * 5000, "0" * 32, "é", "' OR 1=1 --", "\u0100".encode().decode("latin-1")]


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_wrong_key_is_refused_in_the_gateway_s_words(mine, wrong):
    answer = ask(wrong)
    assert answer.status_code == 401
    assert answer.json() == json.loads(admission.INVALID_KEY_ANSWER)


@pytest.mark.parametrize("sent", [None, ""])
def test_no_key_is_refused_in_the_gateway_s_words(mine, sent):
    answer = ask(sent)
    assert answer.status_code == 401
    assert answer.json() == json.loads(admission.MISSING_KEY_ANSWER)


def test_a_key_in_the_url_opens_nothing(mine, key):
    assert ask(None, f"?subscription-key={key}").status_code == 401


def cancelled(mine, alice):
    lifecycle.change_state(mine, Subscription.State.CANCELLED, by=alice)


def expired(mine, alice):
    Subscription.objects.update(expires_at=timezone.now())


def regenerated(mine, alice):
    keys.regenerate(mine, Slot.PRIMARY, by=alice)


def blocked(mine, alice):
    User.objects.update(state=User.State.BLOCKED)


@pytest.mark.parametrize("ended", [cancelled, expired, regenerated, blocked])
def test_a_key_that_the_gateway_does_not_take_tells_nothing(mine, key, alice, ended):
    ended(mine, alice)
    assert (ask(key).status_code, ask(key).json()) == (401, json.loads(admission.INVALID_KEY_ANSWER))


def test_an_old_key_tells_as_long_as_it_works(mine, key, alice):
    keys.regenerate(mine, Slot.PRIMARY, by=alice, overlap=keys.Overlap.HOUR)
    assert ask(key).status_code == 200
    SubscriptionKey.objects.old().update(ends_at=timezone.now())
    assert ask(key).status_code == 401


@pytest.mark.parametrize(
    "query",
    ["?days=0", "?days=91", "?days=x", "?days=", "?days=1e1", "?days=٣", "?timeZone=../etc", "?timeZone=localtime"],
)
def test_what_cannot_be_read_is_a_400(key, query):
    answer = ask(key, query)
    assert answer.status_code == 400
    assert answer.json()["statusCode"] == 400
    assert answer.json()["message"].startswith(query[1:].partition("=")[0])


def test_a_program_may_ask_for_the_head_alone(mine, key):
    answer = Client().head("/usage", headers={"Ocp-Apim-Subscription-Key": key})
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "application/json", b"")


def test_what_the_query_says_of_formats_changes_nothing(mine, key):
    assert ask(key, "?format=xml").json()["displayName"] == "Laptop"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_it_can_only_be_read(key, method):
    answer = getattr(Client(), method)("/usage", headers={"Ocp-Apim-Subscription-Key": key})
    assert answer.status_code == 405
    assert answer.json()["statusCode"] == 405


def test_guessing_is_throttled(monkeypatch, mine, key):
    monkeypatch.setattr(ByCaller, "rate", "3/min")
    assert [ask("0" * 32).status_code for _ in range(4)] == [401, 401, 401, 429]
    answer = ask(key)
    assert answer.status_code == 429
    assert answer.json()["message"].startswith("Rate limit is exceeded. Try again in ")
    assert 0 < int(answer["Retry-After"]) <= 60


def test_it_is_there_in_a_portal_for_people_who_are_signed_in(settings, mine, key):
    from portalsettings.models import PortalSettings

    PortalSettings.objects.update_or_create(pk=1, defaults={"sign_in_required": True})
    assert ask(key).status_code == 200
    assert Client().get("/me/usage").status_code in (302, 403)


def test_a_key_stays_out_of_the_log(mine, key, caplog):
    with caplog.at_level("DEBUG"):
        ask(key)
        ask(key[:-1])
    assert key[:-1] not in caplog.text


# -- People ------------------------------------------------------------------------------------


def test_people_see_their_own_and_those_of_their_teams_only(mine, starter, alice, bob, mallory, admin_user, signed_in):
    team = Team.objects.create(name="Orders")
    TeamMembership.objects.create(team=team, user=alice, role=TeamMembership.Role.OWNER)
    TeamMembership.objects.create(team=team, user=bob)
    shared = lifecycle.subscribe(user=alice, product=starter, display_name="Shared", team=team)
    called(mine, (timezone.now(), 200))
    called(shared, (timezone.now(), 200), (timezone.now(), 200))
    sees = {alice: {"Laptop": 1, "Shared": 2}, bob: {"Shared": 2}, mallory: {}, admin_user: {}}
    for person, expected in sees.items():
        told = signed_in(person).get("/me/usage").json()
        assert {one["displayName"]: one["usage"]["callCountTotal"] for one in told["subscriptions"]} == expected
        assert sum(day["callCountTotal"] for day in told["days"]) == sum(expected.values())


def test_who_is_not_signed_in_sees_nothing(mine, key):
    for headers in ({}, {"Ocp-Apim-Subscription-Key": key}):
        answer = Client().get("/me/usage", headers=headers)
        assert (answer.status_code, answer.json()["statusCode"]) == (403, 403)


def test_a_session_opens_nothing_that_wants_a_key(mine, alice, signed_in):
    assert signed_in(alice).get("/usage").status_code == 401


def test_many_subscriptions_take_as_many_queries_as_few(starter, alice, signed_in, django_assert_max_num_queries):
    for number in range(20):
        lifecycle.subscribe(user=alice, product=starter, display_name=f"S{number}")
    client = signed_in(alice)
    with django_assert_max_num_queries(14):
        assert len(client.get("/me/usage").json()["subscriptions"]) == 20
