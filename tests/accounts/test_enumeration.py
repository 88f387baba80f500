"""Nobody learns from the outside which addresses have an account."""

import re

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications.models import MailText, OutboxMail
from portalsettings.models import PortalSettings
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


ASKS_FOR_MAIL = pytest.mark.parametrize("url", ["/account/login/code/", "/account/password/reset/"])


@ASKS_FOR_MAIL
def test_unknown_address_is_told_that_it_has_no_account_in_the_language_of_the_page(url):
    Client().post(url, {"email": "nobody@example.org"}, headers={"Accept-Language": "de"})
    (told,) = mail.outbox
    assert (told.to, told.subject) == (["nobody@example.org"], "Kein Konto bei Contoso")
    assert "/account/signup/" in told.body


def test_publisher_words_the_mail_to_unknown_addresses(service):
    MailText.objects.create(
        template="unknownAccountNotificationMessage", language="", subject="Who are you?", body="Not {{ email }}."
    )
    Client().post("/account/password/reset/", {"email": "nobody@example.org"})
    assert mail.outbox[0].subject == "Who are you?"
    assert "Not nobody@example.org." in mail.outbox[0].body


@pytest.mark.parametrize("rules", [{"sign_up": "invitation"}, {"allowed_domains": "example.com"}])
def test_unknown_address_that_may_not_sign_up_is_not_led_there(rules):
    PortalSettings.objects.create(**rules)
    Client().post("/account/password/reset/", {"email": "nobody@example.org"})
    assert "no account" in mail.outbox[0].body
    assert "/account/signup/" not in mail.outbox[0].body


def test_stranger_is_told_three_times_a_day_and_the_page_stays_the_same():
    def ask(number: int) -> str:
        answer = Client(REMOTE_ADDR=f"203.0.113.{number}").post(
            "/account/password/reset/", {"email": "nobody@example.org"}, follow=True
        )
        return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.text)

    assert len({ask(number) for number in range(5)}) == 1
    assert len(mail.outbox) == 3


@ASKS_FOR_MAIL
def test_blocked_account_is_not_called_unknown(url, alice):
    alice.state = "blocked"
    alice.save()
    Client().post(url, {"email": alice.email})
    assert not mail.outbox


def test_links_in_mails_to_strangers_begin_with_the_portals_address(alice, settings):
    settings.PORTAL_URL, settings.ALLOWED_HOSTS = "https://portal.example.org", ["inside.example.org"]
    client = Client(headers={"Host": "inside.example.org"})
    client.post("/account/password/reset/", {"email": "nobody@example.org"})
    client.post("/account/signup/", {**NEW, "email": alice.email})
    assert len(mail.outbox) == 2
    for told in mail.outbox:
        assert "https://portal.example.org/account/" in told.body
        assert "inside.example.org" not in told.body


@ASKS_FOR_MAIL
def test_mail_is_written_for_unknown_addresses_where_none_is_wanted_and_not_sent(url, alice):
    PortalSettings.objects.create(unknown_account_mails=False)
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
