"""Who may call what, with which key, and how much of it."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.console import allowance
from subscriptions import lifecycle
from subscriptions.models import Subscription

State = Subscription.State


def test_stranger_gets_404_for_an_operation_that_he_may_not_see(
    send, execute, starter, partners, gateway, alice, mallory
):
    starter.groups.clear()
    assert send(execute, by=mallory).status_code == 404
    assert send(execute).status_code == 404
    assert gateway.received == []
    assert send(execute, by=alice).status_code == 200


def test_stranger_cannot_use_anothers_subscription(send, execute, gateway, alices, mallory):
    response = send(execute, {"subscription": str(alices.pk)}, by=mallory)
    assert response.status_code == 422
    assert "Choose one of your subscriptions." in response.content.decode()
    assert alices.display_name not in response.content.decode()
    assert gateway.received == []


def test_guest_cannot_use_a_subscription(send, execute, gateway, alices):
    response = send(execute, {"subscription": str(alices.pk)})
    assert response.status_code == 422
    assert "Sign in to send a subscription key." in response.content.decode()


@pytest.mark.parametrize("subscription", ["1", "x" * 5000, "00000000-0000-0000-0000-000000000000"])
def test_subscription_that_is_none(send, execute, gateway, alice, subscription):
    assert send(execute, {"subscription": subscription}, by=alice).status_code == 422


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.SUSPENDED, "Mine is suspended"),
        (State.CANCELLED, "Mine is cancelled"),
        (State.EXPIRED, "Mine has expired"),
    ],
)
def test_subscription_that_is_not_active(send, execute, gateway, alice, alices, state, reason):
    lifecycle.change_state(alices, state, by=None)
    response = send(execute, {"subscription": str(alices.pk)}, by=alice)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert gateway.received == []


def test_subscription_whose_time_is_over(send, execute, gateway, alice, alices):
    Subscription.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "Mine has expired" in send(execute, {"subscription": str(alices.pk)}, by=alice).content.decode()


def test_subscription_of_another_product(send, execute, gateway, alice, partners):
    partners.apis.clear()
    other = lifecycle.create(display_name="Other", by=None, owner=alice, product=partners)
    response = send(execute, {"subscription": str(other.pk)}, by=alice)
    assert "Other (Partners) does not open Echo API" in response.content.decode()


@pytest.mark.parametrize("scope", ["api", "all"])
def test_subscription_of_an_api_or_of_all(send, execute, gateway, alice, api, scope):
    own = lifecycle.create(display_name="Wide", by=None, owner=alice, api=api if scope == "api" else None)
    assert send(execute, {"subscription": str(own.pk)}, by=alice).status_code == 200
    assert any(line.startswith("Ocp-Apim") for line in gateway.lines)


def test_guest_has_so_many_calls_a_minute(send, execute, gateway, monkeypatch, alice):
    monkeypatch.setattr(allowance, "GUEST_CALLS_PER_MINUTE", 2)
    monkeypatch.setattr(allowance.time, "time", lambda: 90.0)
    assert [send(execute).status_code for _ in range(3)] == [200, 200, 429]
    assert "Send again in 30 seconds, or sign in." in send(execute, htmx=True).content.decode()
    assert send(execute, by=alice).status_code == 200
    monkeypatch.setattr(allowance.time, "time", lambda: 120.0)
    assert send(execute).status_code == 200


def test_addresses_of_one_ipv6_network_share_the_calls():
    assert allowance._neighbourhood("2001:db8::1") == allowance._neighbourhood("2001:db8::ffff")
    assert allowance._neighbourhood("2001:db8::1") != allowance._neighbourhood("2001:db8:0:1::1")


def test_person_has_so_many_calls_under_way(send, execute, gateway, monkeypatch, alice, bob):
    monkeypatch.setattr(allowance, "IN_FLIGHT_PER_PERSON", 1)
    with allowance._in_flight.place(f"user {alice.pk}"):
        assert send(execute, by=alice).status_code == 429
        assert send(execute, by=bob).status_code == 200
    assert send(execute, by=alice).status_code == 200


def test_all_people_together_have_so_many_calls_under_way(monkeypatch):
    places = allowance.InFlight()
    monkeypatch.setattr(allowance, "IN_FLIGHT", 2)
    with places.place("a"), places.place("b"), pytest.raises(allowance.RefusedNow, match="busy"), places.place("c"):
        pass
    with places.place("c"):
        assert dict(places._calls) == {"c": 1}


def test_places_are_given_back_by_many_threads():
    places = allowance.InFlight()

    def use() -> None:
        for _ in range(200):
            with places.place(threading.current_thread().name):
                pass

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places._calls.total() == 0
