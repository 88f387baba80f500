"""The list of sessions, and signing out elsewhere."""

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts.devices import in_words
from accounts.models import User

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1"


def _browser(user: User, user_agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": user_agent})
    client.post("/account/login/", {"login": user.email, "password": "correct horse battery"})
    return client


def _is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox, Linux"),
        (SAFARI, "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140 Safari/537 Edg/140", "Edge, Windows"),
        ("curl/8.5.0", "curl"),
        ("something of ours that nobody knows, with a long name", "something of ours that nobody knows, wit"),
        ("", ""),
    ],
)
def test_device_in_words(user_agent, words):
    assert in_words(user_agent) == words


def test_each_session_is_listed_and_this_one_is_marked(alice, bob):
    mine, _phone = _browser(alice), _browser(alice, SAFARI)
    _browser(bob, "curl/8")
    page = mine.get("/profile/sessions/").text
    assert page.index("Firefox, Linux") < page.index("This one") < page.index("Safari, iPhone")
    assert "curl" not in page.split("<main")[1]


def test_one_session_is_ended(alice):
    mine, phone, other = _browser(alice), _browser(alice, SAFARI), _browser(alice)
    row = UserSession.objects.get(user_agent=SAFARI)
    assert mine.get(f"/profile/sessions/{row.pk}/end/").status_code == 405
    mine.post(f"/profile/sessions/{row.pk}/end/")
    assert (_is_signed_in(mine), _is_signed_in(phone), _is_signed_in(other)) == (True, False, True)


def test_all_others_are_ended(alice):
    mine, phone, other = _browser(alice), _browser(alice, SAFARI), _browser(alice)
    mine.post("/profile/sessions/end-others/")
    assert (_is_signed_in(mine), _is_signed_in(phone), _is_signed_in(other)) == (True, False, False)


def test_session_of_somebody_else_does_not_exist(alice, mallory):
    hers = _browser(alice)
    row = UserSession.objects.get()
    assert _browser(mallory).post(f"/profile/sessions/{row.pk}/end/").status_code == 404
    assert Client().post(f"/profile/sessions/{row.pk}/end/").status_code == 302
    assert _is_signed_in(hers)


def test_where_a_session_was_used_last_is_noted(alice, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    mine = _browser(alice)
    mine.get("/profile/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert UserSession.objects.get().ip == "203.0.113.9"


def test_page_soon_after_another_one_notes_nothing(alice, django_assert_max_num_queries):
    mine = _browser(alice)
    mine.get("/account/logout/")
    seen = UserSession.objects.get().last_seen_at
    mine.get("/account/logout/")
    assert UserSession.objects.get().last_seen_at == seen


@pytest.mark.parametrize("page", ["security/", "sessions/"])
def test_pages_are_for_who_is_signed_in(page):
    assert Client().get(f"/profile/{page}")["Location"].startswith("/account/login/")


@pytest.mark.parametrize(
    ("old", "new"),
    [("2fa/", "security"), ("2fa/webauthn/", "security"), ("sessions/", "sessions")],
)
def test_allauth_s_own_lists_lead_to_ours(old, new, alice, signed_in):
    assert signed_in(alice).get(f"/account/{old}")["Location"] == f"/profile/{new}/"
