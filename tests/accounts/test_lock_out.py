"""Guessing passwords is slow, and shuts nobody out of his account."""

import pytest
from django.core import mail
from django.test import Client

from accounts import lock_out
from accounts.models import User

PASSWORD = "correct horse battery"
TOO_MANY = "Too many failed login attempts"


@pytest.fixture(autouse=True)
def proxy(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]


def _try(email: str, password: str, *, address: str = "203.0.113.1", client: Client | None = None):
    values = {"login": email, "password": password}
    return (client or Client()).post("/account/login/", values, headers={"X-Forwarded-For": address})


def _guess_from_everywhere(user: User) -> None:
    """As many guesses as an account takes, each from another address."""
    for number in range(50):
        _try(user.email, "a guess", address=f"198.51.100.{number}")


def test_five_guesses_at_an_account_from_one_address(alice):
    for _ in range(5):
        assert TOO_MANY not in _try(alice.email, "a guess").text
    assert TOO_MANY in _try(alice.email, PASSWORD).text


def test_owner_signs_in_from_elsewhere_meanwhile(alice):
    for _ in range(6):
        _try(alice.email, "a guess")
    assert _try(alice.email, PASSWORD, address="203.0.113.2").status_code == 302


def test_guesses_from_many_addresses_are_stopped(alice):
    _guess_from_everywhere(alice)
    assert TOO_MANY in _try(alice.email, PASSWORD).text


def test_known_browser_of_the_owner_signs_in_nevertheless(alice):
    known = Client()
    _try(alice.email, PASSWORD, client=known)
    known.post("/account/logout/")
    _guess_from_everywhere(alice)
    assert _try(alice.email, PASSWORD, client=known).status_code == 302


def test_known_browser_is_not_shut_out_by_others_behind_its_address(alice):
    known = Client()
    _try(alice.email, PASSWORD, client=known)
    known.post("/account/logout/")
    for number in range(11):
        _try(f"a{number}@example.org", "a guess")
    assert TOO_MANY in _try("bob@example.org", "a guess").text
    assert _try(alice.email, PASSWORD, client=known).status_code == 302


def test_known_browser_may_not_guess_without_end(alice):
    known = Client()
    _try(alice.email, PASSWORD, client=known)
    known.post("/account/logout/")
    for number in range(10):
        _try(alice.email, "a guess", client=known, address=f"198.51.100.{number}")
    assert TOO_MANY in _try(alice.email, PASSWORD, client=known).text


def test_browser_known_to_another_account_is_a_stranger(alice, mallory):
    browser = Client()
    _try(mallory.email, PASSWORD, client=browser)
    browser.post("/account/logout/")
    _guess_from_everywhere(alice)
    assert TOO_MANY in _try(alice.email, PASSWORD, client=browser).text


def test_code_by_mail_is_a_way_in_during_an_attack(alice):
    _guess_from_everywhere(alice)
    Client().post("/account/login/code/", {"email": alice.email}, headers={"X-Forwarded-For": "203.0.113.1"})
    assert mail.outbox[-1].to == [alice.email]


def test_new_password_by_mail_ends_the_waiting(alice, rf):
    _guess_from_everywhere(alice)
    request = rf.post("/", REMOTE_ADDR="203.0.113.1")
    lock_out.forgive(request, alice.email)
    assert _try(alice.email, PASSWORD, address="203.0.113.1").status_code == 302


def test_right_password_is_not_counted(alice):
    for _ in range(12):
        assert _try(alice.email, PASSWORD).status_code == 302


def test_unknown_address_is_counted_in_the_same_way(db):
    answers = [TOO_MANY in _try("nobody@example.org", "a guess").text for _ in range(6)]
    assert answers == [False] * 5 + [True]


@pytest.mark.parametrize(("page", "wait"), [("login/code/", "Be patient"), ("password/reset/", "Be patient")])
def test_nobody_is_flooded_with_mails(page, wait, alice):
    for number in range(40):
        values, headers = {"email": alice.email}, {"X-Forwarded-For": f"198.51.100.{number}"}
        answer = Client().post(f"/account/{page}", values, headers=headers)
    assert wait in answer.text
    assert len(mail.outbox) == 30


def test_mails_to_the_owner_s_known_browser_go_on(alice):
    known = Client()
    _try(alice.email, PASSWORD, client=known)
    known.post("/account/logout/")
    for number in range(31):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        Client().post("/account/login/code/", {"email": alice.email}, headers=headers)
    mail.outbox.clear()
    known.post("/account/login/code/", {"email": alice.email})
    assert len(mail.outbox) == 1
