"""A sign-in that is at one of its steps ends where the account changes meanwhile."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client

from accounts import user_states
from accounts.models import CustomField, User
from portalsettings import terms
from portalsettings.models import PortalSettings, Terms

PASSWORD = "correct horse battery"
NEW_PASSWORD = "staple battery horse"
BEGIN_AGAIN = "Your account has changed since you began to sign in."


def _change_password(user: User) -> None:
    owner = Client()
    owner.post("/account/password/reset/", {"email": user.email})
    link = re.search(r"/account/password/reset/key/\S+", mail.outbox[-1].body)[0]
    form = owner.get(link, follow=True).redirect_chain[-1][0]
    assert owner.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}).status_code == 302


def _block(user: User) -> None:
    user_states.change_state(user, User.State.BLOCKED, by=None)


def _block_for_a_while(user: User) -> None:
    _block(user)
    user_states.change_state(user, User.State.ACTIVE, by=None)


CHANGES = pytest.mark.parametrize("change", [_change_password, _block, _block_for_a_while])


@pytest.fixture
def with_password(alice):
    """A browser in which alice has entered her password, and what is asked next."""

    def begin(password: str = PASSWORD) -> Client:
        client = Client()
        client.post("/account/login/", {"login": alice.email, "password": password})
        return client

    return begin


@pytest.fixture
def new_terms(service) -> Terms:
    PortalSettings.objects.create()
    return terms.publish("Be kind")


def _is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


@CHANGES
def test_terms_are_neither_shown_nor_accepted(change, alice, new_terms, with_password):
    thief = with_password()
    assert "Be kind" in thief.get("/account/terms/").text
    change(alice)
    answer = thief.post("/account/terms/", {"terms": "on", "terms_version": new_terms.pk}, follow=True)
    assert BEGIN_AGAIN in answer.text
    assert "Be kind" not in thief.get("/account/terms/", follow=True).text
    assert not _is_signed_in(thief)
    alice.refresh_from_db()
    assert alice.accepted_terms is None


@CHANGES
def test_profile_is_not_filled_in(change, alice, with_password):
    field = CustomField.objects.create(label="Company", required=True)
    thief = with_password()
    assert "Company" in thief.get("/account/profile/").text
    change(alice)
    values = {"first_name": "Mallory", "last_name": "Thief", f"custom_{field.pk}": "Contoso"}
    assert BEGIN_AGAIN in thief.post("/account/profile/", values, follow=True).text
    assert not _is_signed_in(thief)
    alice.refresh_from_db()
    assert alice.first_name == "Alice"


@CHANGES
def test_second_factor_lets_nobody_in(change, alice, with_password):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(alice, secret)
    thief = with_password()
    assert "Second step" in thief.get("/account/2fa/authenticate/").text
    change(alice)
    assert Authenticator.objects.exists()
    *_, counter = totp.yield_hotp_counters_from_time()
    code = totp.format_hotp_value(totp.hotp_value(secret, counter - 1))
    assert BEGIN_AGAIN in thief.post("/account/2fa/authenticate/", {"code": code}, follow=True).text
    assert not _is_signed_in(thief)


@CHANGES
def test_code_by_mail_lets_nobody_in(change, alice):
    thief = Client()
    thief.post("/account/login/code/", {"email": alice.email})
    code = re.search(r"^([0-9A-Z-]{6,})$", mail.outbox[-1].body, re.M)[1]
    change(alice)
    answer = thief.post("/account/login/code/confirm/", {"code": code}, follow=True)
    assert "This code does not work any more" in answer.text
    assert not _is_signed_in(thief)


def test_wrong_code_does_not_tell_that_the_account_has_changed(alice):
    answers = []
    for email in (alice.email, "nobody@example.org"):
        client = Client()
        client.post("/account/login/code/", {"email": email})
        _change_password(alice)
        answer = client.post("/account/login/code/confirm/", {"code": "wrong"})
        page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.text)
        answers.append((answer.status_code, page.replace(email, "ADDRESS")))
    assert answers[0] == answers[1]


def test_owner_signs_in_with_the_new_password_in_the_browser_that_waited(alice, new_terms, with_password):
    client = with_password()
    _change_password(alice)
    client.get("/account/terms/")
    client.post("/account/login/", {"login": alice.email, "password": NEW_PASSWORD})
    client.post("/account/terms/", {"terms": "on", "terms_version": new_terms.pk})
    assert _is_signed_in(client)


def test_account_that_is_gone_is_not_asked_any_further(alice, new_terms, with_password):
    client = with_password()
    User.objects.filter(pk=alice.pk).delete()
    assert BEGIN_AGAIN in client.get("/account/terms/", follow=True).text
