"""A developer's own data, subscriptions and keys."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from analytics.models import QuotaUse
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription

Slot = keys.Slot
State = Subscription.State


@pytest.fixture
def subscription(starter, alice) -> Subscription:
    return lifecycle.subscribe(user=alice, product=starter, display_name="Laptop")


def _url(subscription: Subscription, rest: str = "") -> str:
    return f"/profile/subscriptions/{subscription.pk}/{rest}"


# Every page about one subscription, and how it is asked for.
PAGES = [
    ("get", ""),
    ("post", "rename/"),
    ("get", "cancel/"),
    ("post", "cancel/"),
    ("get", "keys/primary/"),
    ("post", "keys/primary/"),
    ("get", "keys/primary/regenerate/"),
    ("post", "keys/primary/regenerate/"),
    ("post", "keys/end-old/"),
    ("get", "transfer/"),
    ("post", "transfer/"),
]


@pytest.mark.parametrize(("method", "page"), PAGES)
def test_subscription_of_somebody_else_does_not_exist(method, page, subscription, bob, admin_user, signed_in):
    key = keys.reveal(subscription, Slot.PRIMARY)
    for stranger in (bob, admin_user):
        answer = getattr(signed_in(stranger), method)(_url(subscription, page), {"display_name": "Stolen"})
        assert answer.status_code == 404
        assert key not in answer.text
    subscription.refresh_from_db()
    assert (subscription.display_name, subscription.state) == ("Laptop", "active")
    assert keys.reveal(subscription, Slot.PRIMARY) == key


@pytest.mark.parametrize(("method", "page"), PAGES)
def test_guest_is_sent_to_sign_in(method, page, subscription):
    answer = getattr(Client(), method)(_url(subscription, page))
    assert answer["Location"].startswith("/account/login/?next=")


@pytest.mark.parametrize(
    "page", ["rename/", "cancel/", "transfer/", "keys/primary/", "keys/primary/regenerate/", "keys/end-old/"]
)
def test_changes_need_a_token_against_forgery(page, subscription, alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(_url(subscription, page), {"display_name": "Forged"}).status_code == 403
    subscription.refresh_from_db()
    assert (subscription.display_name, subscription.state) == ("Laptop", "active")


def test_keys_are_on_no_page_until_they_are_asked_for(subscription, alice, signed_in):
    client = signed_in(alice)
    for page in ("/profile/", _url(subscription), "/products/starter/", _url(subscription, "keys/primary/")):
        text = client.get(page).text
        assert keys.reveal(subscription, Slot.PRIMARY) not in text
        assert keys.reveal(subscription, Slot.SECONDARY) not in text


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["whole page", "htmx"])
def test_show_reveals_one_key_and_nothing_keeps_the_answer(headers, subscription, alice, signed_in):
    answer = signed_in(alice).post(_url(subscription, "keys/secondary/"), headers=headers)
    assert keys.reveal(subscription, Slot.SECONDARY) in answer.text
    assert keys.reveal(subscription, Slot.PRIMARY) not in answer.text
    assert "no-store" in answer["Cache-Control"]


def regenerate(client: Client, subscription: Subscription, overlap: int = 0):
    key = subscription.keys.current().get(slot=Slot.PRIMARY)
    return client.post(
        _url(subscription, "keys/primary/regenerate/"), {"overlap": overlap, "replaces": key.pk}, follow=True
    )


def test_regenerating_asks_first_and_then_replaces_one_key(subscription, alice, signed_in):
    client, before = signed_in(alice), keys.reveal(subscription, Slot.PRIMARY)
    other = keys.reveal(subscription, Slot.SECONDARY)
    assert "works on as long as you say" in client.get(_url(subscription, "keys/primary/regenerate/")).text
    assert keys.reveal(subscription, Slot.PRIMARY) == before
    assert "has stopped working" in regenerate(client, subscription).text
    assert keys.reveal(subscription, Slot.PRIMARY) != before
    assert keys.reveal(subscription, Slot.SECONDARY) == other


def test_the_old_key_works_on_as_long_as_the_owner_says(subscription, alice, signed_in):
    client, before = signed_in(alice), keys.reveal(subscription, Slot.PRIMARY)
    page = regenerate(client, subscription, overlap=3600).text
    assert f"{before[:4]}…</code> works until" in page
    old = subscription.keys.old().get()
    assert old.ends_at - timezone.now() <= timedelta(hours=1)
    assert (old.prefix, old.ciphertext) == (before[:4], "")
    answer = client.post(_url(subscription, "keys/end-old/"), {"slot": "primary"}, follow=True)
    assert "The old key has stopped working" in answer.text
    assert not subscription.keys.old().exists()


def test_an_old_key_that_has_ended_is_not_shown(subscription, alice, signed_in):
    regenerate(signed_in(alice), subscription, overlap=3600)
    subscription.keys.old().update(ends_at=timezone.now())
    assert "works until" not in signed_in(alice).get(_url(subscription)).text


def test_pressing_twice_makes_one_new_key(subscription, alice, signed_in):
    client, key = signed_in(alice), subscription.keys.get(slot="primary")
    for _ in range(2):
        answer = client.post(
            _url(subscription, "keys/primary/regenerate/"), {"overlap": 86400, "replaces": key.pk}, follow=True
        )
    assert "has been replaced meanwhile" in answer.text
    assert subscription.keys.old().get().pk == key.pk


@pytest.mark.parametrize("overlap", ["", "5", "x", "-1", "9" * 30])
def test_another_overlap_is_refused(overlap, subscription, alice, signed_in):
    before = keys.reveal(subscription, Slot.PRIMARY)
    assert regenerate(signed_in(alice), subscription, overlap=overlap).status_code == 200
    assert keys.reveal(subscription, Slot.PRIMARY) == before


@pytest.mark.parametrize("slot", ["", "primary", "tertiary"])
def test_an_old_key_that_is_not_there_cannot_be_ended(slot, subscription, alice, signed_in):
    answer = signed_in(alice).post(_url(subscription, "keys/end-old/"), {"slot": slot}, follow=True)
    assert "no such old key" in answer.text


def test_last_use_of_each_key_is_shown(subscription, alice, signed_in):
    at = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
    subscription.keys.filter(slot="primary").update(last_used_at=at, last_used_from="192.0.2.7")
    page = signed_in(alice).get(_url(subscription)).text
    assert "Last used on 2026-03-04 12:30:00 UTC from 192.0.2.7." in page
    assert "Never used." in page


def test_the_history_tells_what_was_done_by_whom(subscription, alice, admin_user, signed_in):
    lifecycle.rename(subscription, "Server", by=alice)
    lifecycle.change_state(subscription, State.SUSPENDED, by=admin_user, comment="Too many calls")
    page = signed_in(alice).get(_url(subscription)).text
    assert page.index("Suspended</p>") < page.index("Renamed: Laptop → Server") < page.index("Activated")
    assert "Too many calls" in page
    assert "An administrator" in page
    assert str(admin_user) not in page


def test_there_are_two_keys_only(subscription, alice, signed_in):
    assert signed_in(alice).post(_url(subscription, "keys/tertiary/")).status_code == 404


def test_keys_of_an_ended_subscription_are_not_shown(subscription, alice, admin_user, signed_in):
    lifecycle.change_state(subscription, State.CANCELLED, by=admin_user)
    answer = signed_in(alice).post(_url(subscription, "keys/primary/"))
    assert answer.status_code == 404
    assert signed_in(alice).post(_url(subscription, "keys/primary/regenerate/")).status_code == 404


def test_cancelling_asks_first_and_then_ends_it(subscription, alice, signed_in):
    client = signed_in(alice)
    assert "cannot be brought back" in client.get(_url(subscription, "cancel/")).text
    subscription.refresh_from_db()
    assert subscription.state == State.ACTIVE
    answer = client.post(_url(subscription, "cancel/"), follow=True)
    assert "Laptop is cancelled" in answer.text
    assert "Ended subscriptions (1)" in answer.text
    again = client.post(_url(subscription, "cancel/"), follow=True)
    assert "A subscription that is cancelled cannot become cancelled." in again.text


def test_renaming(subscription, alice, signed_in):
    client = signed_in(alice)
    assert client.post(_url(subscription, "rename/"), {"display_name": "Server"})["Location"] == _url(subscription)
    assert "Server" in client.get("/profile/").text
    refused = client.post(_url(subscription, "rename/"), {"display_name": ""})
    assert "This field is required." in refused.text
    subscription.refresh_from_db()
    assert subscription.display_name == "Server"


def test_name_is_never_markup(subscription, alice, signed_in):
    lifecycle.rename(subscription, "<script>alert(1)</script>", by=alice)
    for page in ("/profile/", _url(subscription), _url(subscription, "cancel/"), "/products/starter/"):
        assert "<script>alert" not in signed_in(alice).get(page).text


def test_profile_shows_every_scope_and_live_ones_first(starter, api, alice, admin_user, signed_in):
    lifecycle.create(display_name="One API", by=admin_user, owner=alice, api=api)
    lifecycle.create(display_name="Everything", by=admin_user, owner=alice)
    ended = lifecycle.subscribe(user=alice, product=starter, display_name="Gone")
    lifecycle.change_state(ended, State.CANCELLED, by=alice)
    page = signed_in(alice).get("/profile/").text
    assert "API Echo API" in page
    assert "All APIs" in page
    assert page.index("Everything") < page.index("Ended subscriptions") < page.index("Gone")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        pytest.param(State.SUSPENDED, "until an administrator lifts the suspension", id="suspended"),
        pytest.param(State.CANCELLED, "Cancelled", id="cancelled"),
    ],
)
def test_state_and_its_comment_are_shown(state, text, subscription, alice, admin_user, signed_in):
    lifecycle.change_state(subscription, state, by=admin_user, comment="Write to us.")
    page = signed_in(alice).get("/profile/").text
    assert text in page
    assert "Write to us." in page


def test_what_is_left_of_the_quota_is_shown(subscription, alice, signed_in):
    QuotaUse.objects.create(
        subscription_id=subscription.pk,
        product_id=subscription.product_id,
        period_start=timezone.now() - timedelta(days=1),
        calls=40,
    )
    page = re.sub(r"\s+", " ", signed_in(alice).get("/profile/").text)
    assert "60 <span>of 100 calls per week</span>" in page
    assert "Refills on" in page
    assert "5 calls per minute" in page


def test_profile_without_subscriptions_says_what_to_do(service, alice, signed_in):
    assert "See the products" in signed_in(alice).get("/profile/").text


def test_own_name_can_be_changed(service, alice, signed_in):
    signed_in(alice).post("/profile/name/", {"first_name": "Alicia", "last_name": "Jones", "is_staff": "1"})
    alice.refresh_from_db()
    assert (alice.full_name, alice.is_staff) == ("Alicia Jones", False)


def test_htmx_request_of_an_ended_session_opens_a_whole_sign_in_page(subscription):
    answer = Client().post(
        _url(subscription, "keys/primary/"),
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/profile/?a=1"},
    )
    assert answer["HX-Redirect"] == "/account/login/?next=%2Fprofile%2F%3Fa%3D1"
    assert answer.text == ""


def test_htmx_request_cannot_name_a_foreign_page_to_come_back_to(subscription):
    answer = Client().post(
        _url(subscription, "keys/primary/"),
        headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example.org/"},
    )
    assert "evil" not in answer["HX-Redirect"]


def test_profile_asks_a_bounded_number_of_queries(starter, alice, signed_in, django_assert_max_num_queries):
    for number in range(20):
        lifecycle.subscribe(user=alice, product=starter, display_name=f"S{number}")
    client = signed_in(alice)
    with django_assert_max_num_queries(13):
        client.get("/profile/")


def test_subscription_links_the_apis_that_it_opens(starter, api, alice, admin_user, signed_in):
    by_product = lifecycle.subscribe(user=alice, product=starter, display_name="By product")
    one_api = lifecycle.create(display_name="One API", by=admin_user, owner=alice, api=api)
    everything = lifecycle.create(display_name="Everything", by=admin_user, owner=alice)
    for own in (by_product, one_api, everything):
        assert 'href="/apis/echo/"' in signed_in(alice).get(_url(own)).text
    starter.groups.clear()
    for own in (by_product, one_api, everything):
        assert 'href="/apis/echo/"' not in signed_in(alice).get(_url(own)).text
