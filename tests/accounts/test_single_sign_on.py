"""Tokens by which an own site signs people in."""

import base64
import hashlib
import hmac
import json
import threading
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import single_sign_on
from accounts.models import SpentToken, User
from portalsettings import terms, validation_key
from portalsettings.models import PortalSettings, current


@pytest.fixture
def key(service) -> bytes:
    validation_key.regenerate()
    PortalSettings.objects.update(delegation_url="https://own.example/", delegates_sign_in=True)
    return validation_key.key_of(current())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _token(key: bytes, *, purpose: bytes = b"signin-sso\n", **values) -> str:
    payload = _encoded(json.dumps({"expires": int(time.time()) + 60, "nonce": "n" * 16, **values}).encode())
    return f"{payload}.{_encoded(hmac.digest(key, purpose + payload.encode(), hashlib.sha512))}"


def _enter(token: str, place: str = "") -> tuple[Client, object]:
    client = Client()
    return client, client.get("/signin-sso/", {"token": token, "returnUrl": place})


def test_token_signs_in_once(key, alice):
    token = _token(key, email="ALICE@example.org")
    client, answer = _enter(token, "/products/")
    assert answer["Location"] == "/products/"
    assert "alice@example.org" in client.get("/profile/account/").text
    assert _enter(token)[1].status_code == 403


def test_other_spelling_of_the_signature_makes_no_new_token(key, alice):
    token = _token(key, email=alice.email)
    assert _enter(token)[1].status_code == 302
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    for again in (same, token + "==", token.replace("-", "+").replace("_", "/")):
        assert _enter(again)[1].status_code == 403


def test_address_that_an_account_has_confirmed_beside_its_own_is_that_account_s(key, alice):
    EmailAddress.objects.create(user=alice, email="also@example.org", verified=True)
    assert _enter(_token(key, email="also@example.org"))[0].get("/profile/").status_code == 200
    assert User.objects.count() == 1


def test_new_address_gets_an_account(key):
    client, _ = _enter(_token(key, email="Eve@example.org", firstName="Eve", lastName="E"))
    assert client.get("/profile/").status_code == 200
    user = User.objects.get()
    assert (user.email, user.full_name, user.has_usable_password()) == ("eve@example.org", "Eve E", False)


def test_user_is_named_by_id_too(key, alice):
    assert _enter(_token(key, userId=alice.pk))[0].get("/profile/").status_code == 200


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_return_url_leads_to_this_site_only(key, alice, place):
    assert _enter(_token(key, email=alice.email), place)[1]["Location"] == "/"


HOSTILE = {
    "another key": lambda key: _token(b"x" * 64, email="alice@example.org"),
    "what the portal signs": lambda key: _token(key, purpose=b"", email="alice@example.org"),
    "expired": lambda key: _token(key, email="alice@example.org", expires=int(time.time()) - 1),
    "lives for an hour": lambda key: _token(key, email="alice@example.org", expires=int(time.time()) + 3600),
    "lives past the last date": lambda key: _token(key, email="alice@example.org", expires=10**12),
    "lives for ever": lambda key: _token(key, email="alice@example.org", expires=2**80),
    "short nonce": lambda key: _token(key, email="alice@example.org", nonce="n"),
    "nobody": lambda key: _token(key),
    "no address": lambda key: _token(key, email="nonsense"),
    "name that turns the text": lambda key: _token(key, email="new@example.org", firstName="a\u202eb"),
    "unknown id": lambda key: _token(key, userId=10**9),
    "huge id": lambda key: _token(key, userId=2**70),
    "text as id": lambda key: _token(key, userId="1"),
    "empty": lambda key: "",
    "not base64": lambda key: "ä.ö",
    "too long": lambda key: "x" * 5000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_token_is_refused(key, alice, case):
    client, answer = _enter(HOSTILE[case](key))
    assert answer.status_code == 403
    assert client.get("/profile/").status_code == 302
    assert not SpentToken.objects.exists()


def test_administrators_are_not_signed_in_by_a_token(key, admin_user):
    assert _enter(_token(key, email=admin_user.email))[1].status_code == 403


def test_blocked_account_stays_out(key, alice):
    User.objects.update(state="blocked")
    client, _ = _enter(_token(key, email=alice.email))
    assert client.get("/profile/").status_code == 302


def test_password_of_who_took_the_address_before_its_owner_ends(key, alice):
    EmailAddress.objects.update(verified=False)
    SocialAccount.objects.create(user=alice, provider="contoso", uid="7")
    assert _enter(_token(key, email=alice.email))[0].get("/profile/").status_code == 200
    alice.refresh_from_db()
    assert not alice.has_usable_password()
    assert not SocialAccount.objects.exists()


def test_terms_are_asked_for_here_too(key, alice):
    terms.publish("Be kind")
    assert _enter(_token(key, email=alice.email))[1]["Location"] == "/account/terms/"


def test_there_is_no_such_page_where_sign_in_is_not_delegated(key, alice):
    PortalSettings.objects.update(delegates_sign_in=False)
    assert _enter(_token(key, email=alice.email))[1].status_code == 404


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time")
@pytest.mark.django_db(transaction=True)
def test_token_that_is_used_twice_at_the_same_time_works_once(key, alice):
    token, refusals = _token(key, email=alice.email), []
    start = threading.Barrier(2, timeout=60)

    def enter() -> None:
        try:
            start.wait()
            single_sign_on.enter(token, key=key, now=timezone.now())
        except single_sign_on.TokenRefused as error:
            refusals.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refusals), SpentToken.objects.count()) == (1, 1)


def test_token_for_an_address_that_would_be_read_as_another_one_is_refused(key):
    assert _enter(_token(key, email="=?utf-8?q?a=40b.org=3e?=@example.org"))[1].status_code == 403
    assert not User.objects.exists()
