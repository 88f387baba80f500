"""Nobody learns from the outside which addresses have an account."""

import re

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications.models import OutboxMail
from tests.accounts.conftest import NEW

FORMS = {
    "sign up": ("/account/signup/", NEW, "email"),
    "password reset": ("/account/password/reset/", {}, "email"),
    "sign in": ("/account/login/", {"password": "not the password"}, "login"),
    "sign-in code": ("/account/login/code/", {}, "email"),
}


def _trace(url: str, values: dict[str, str], field: str, address: str):
    """All that a stranger sees of a form: statuses, places, names of cookies and texts, without tokens."""
    client = Client()
    answer = client.post(url, {**values, field: address}, follow=True)
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.text).replace(address, "ADDRESS")
    return answer.redirect_chain, answer.status_code, sorted(client.cookies), text


@pytest.mark.parametrize("form", FORMS)
def test_known_and_unknown_addresses_look_the_same(form, alice):
    url, values, field = FORMS[form]
    assert _trace(url, values, field, alice.email) == _trace(url, values, field, "nobody@example.org")


@pytest.mark.parametrize("form", FORMS)
def test_known_and_unknown_addresses_take_the_same_time(form, alice, monkeypatch):
    """Hashing a password is what takes time, so hashes are counted rather than seconds."""
    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *args: hashed.append(1) or encode(*args))
    url, values, field = FORMS[form]
    counts = []
    for address in (alice.email, "nobody@example.org"):
        hashed.clear()
        Client().post(url, {**values, field: address})
        counts.append(len(hashed))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("url", ["/account/login/code/", "/account/password/reset/"])
def test_mail_is_written_for_unknown_addresses_too_and_not_sent(url, alice):
    written = []
    for address in (alice.email, "nobody@example.org"):
        mail.outbox.clear()
        with CaptureQueriesContext(connection) as queries:
            Client().post(url, {"email": address})
        written.append([one["sql"] for one in queries if "notifications_mailtext" in one["sql"].lower()])
        assert [message.to for message in mail.outbox] == ([[address]] if address == alice.email else [])
    assert len(written[0]) == len(written[1]) == 1
    assert any('INSERT INTO "notifications_outboxmail"' in one["sql"] for one in queries)
    assert not OutboxMail.objects.exists()


def test_owner_is_told_that_there_is_an_account(alice):
    Client().post("/account/signup/", {**NEW, "email": alice.email.upper()})
    assert mail.outbox[0].subject == "You have an account at Contoso already"
    assert "/account/password/reset/" in mail.outbox[0].body
    alice.refresh_from_db()
    assert alice.full_name == "Alice"


def test_strangers_get_no_mail_from_a_reset(alice):
    Client().post("/account/password/reset/", {"email": "nobody@example.org"})
    assert not mail.outbox


def test_blocked_account_looks_like_any_other_to_a_stranger(alice):
    url, values, field = FORMS["sign in"]
    alice.state = "blocked"
    alice.save()
    assert _trace(url, values, field, alice.email) == _trace(url, values, field, "nobody@example.org")


def test_adding_the_address_of_somebody_else_reveals_nothing(alice, bob):
    def add(address: str):
        client = Client()
        client.post("/account/login/", {"login": alice.email, "password": "correct horse battery"})
        client.post("/account/email/", {"email": address, "action_add": ""})
        values = {"password": "correct horse battery", "next": "/account/email/"}
        answer = client.post("/account/reauthenticate/", values, follow=True)
        client.post("/account/email/", {"email": address, "action_remove": ""})
        return answer.redirect_chain, re.sub(r'value="[^"]{64}"', "", answer.text).replace(address, "ADDRESS")

    assert add(bob.email) == add("nobody@example.org")
    assert bob.emailaddress_set.get().email == "bob@example.org"


def test_guessing_passwords_is_stopped(alice):
    values = {"login": alice.email, "password": "wrong"}
    for _ in range(12):
        Client().post("/account/login/", values)
    answer = Client().post("/account/login/", {"login": alice.email, "password": "correct horse battery"})
    assert answer.status_code in (200, 429)
    assert "Too many" in answer.text


def test_limits_count_the_callers_behind_a_proxy(alice, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    values = {"login": alice.email, "password": "wrong"}
    for number in range(12):
        Client().post(
            "/account/login/", {**values, "login": f"a{number}@example.org"}, headers={"X-Forwarded-For": "203.0.113.7"}
        )
    same = Client().post("/account/login/", values, headers={"X-Forwarded-For": "203.0.113.7"})
    other = Client().post("/account/login/", values, headers={"X-Forwarded-For": "203.0.113.8"})
    assert "Too many" in same.text
    assert "Too many" not in other.text
