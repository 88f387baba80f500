"""An address that nobody has confirmed opens no account to whoever waits behind it."""

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.accounts.conftest import NEW

CODE, RESET = "/account/login/code/", "/account/password/reset/"


@pytest.fixture
def taken(service) -> User:
    """An account that somebody made with the address of another one."""
    Client().post("/account/signup/", NEW)
    mail.outbox.clear()
    return User.objects.get()


@pytest.fixture
def wanted(alice) -> str:
    """An address that alice wants to change to, mistyped perhaps."""
    EmailAddress.objects.create(user=alice, email="mallory@example.org")
    return "mallory@example.org"


def test_no_code_goes_to_an_address_that_is_not_confirmed(taken, settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "confirm_email": None}
    assert Client().post(CODE, {"email": taken.email})["Location"] == "/account/login/code/confirm/"
    assert [one.subject for one in mail.outbox] == ["Confirm your e-mail address for Contoso"]


@pytest.mark.parametrize("page", [CODE, RESET])
def test_address_that_is_wanted_only_opens_nothing(page, wanted):
    known, unknown = (Client().post(page, {"email": email}) for email in (wanted, "nobody@example.org"))
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert [one.subject for one in mail.outbox] == ["No account at Contoso"] * 2


def test_address_that_is_wanted_stays_free_for_its_owner(wanted, alice, link_in_mail):
    browser = Client()
    browser.post("/account/signup/", {**NEW, "email": wanted})
    browser.post(link_in_mail())
    assert browser.get("/profile/").status_code == 200
    assert User.objects.get(email=wanted) != alice


def test_new_password_by_mail_ends_what_a_stranger_connected(taken, link_in_mail):
    SocialAccount.objects.create(user=taken, provider="contoso", uid="7")
    client = Client()
    client.post(RESET, {"email": taken.email})
    form = client.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": "another horse battery", "password2": "another horse battery"})
    taken.refresh_from_db()
    assert taken.check_password("another horse battery")
    assert not SocialAccount.objects.exists()


def test_new_password_of_a_confirmed_account_leaves_its_provider(alice, link_in_mail):
    SocialAccount.objects.create(user=alice, provider="contoso", uid="7")
    client = Client()
    client.post(RESET, {"email": alice.email})
    form = client.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": "another horse battery", "password2": "another horse battery"})
    assert SocialAccount.objects.exists()
