"""Taking back that somebody changed an account's e-mail address."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import AddressChange, Group, User
from tests.accounts.conftest import NEW

PASSWORD = "correct horse battery"
UNDO = r"/account/email/undo/[^\s>)]+"


@pytest.fixture
def thief(alice) -> Client:
    """Has alice's password, and an open session."""
    client = Client()
    client.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    return client


@pytest.fixture
def change(thief, link_in_mail, settings):
    """Make the account's address another one."""
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "change_email": None, "manage_email": None}

    def to(email: str) -> None:
        thief.post("/account/email/", {"email": email, "action_add": ""})
        thief.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/account/email/"})
        if mail.outbox[-1].to != [email]:
            thief.post("/account/email/", {"email": email, "action_add": ""})
        thief.post(link_in_mail())

    return to


@pytest.fixture
def link(change, link_in_mail) -> str:
    """What goes to the address before."""
    change("thief@example.org")
    return link_in_mail(UNDO)


def test_owner_takes_the_change_back(alice, thief, link):
    assert mail.outbox[-1].to == ["alice@example.org"]
    owner = Client()
    assert "alice@example.org" in owner.get(link).text
    assert "Your address is back" in owner.post(link).text
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [("alice@example.org", True, True)]


def test_mail_says_once_in_which_time_zone_the_change_was_made(alice, link):
    assert re.search(r"\nWhen: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n", mail.outbox[-1].body)


def test_thief_is_signed_out_and_his_password_opens_nothing(alice, thief, link):
    assert thief.get("/profile/").status_code == 200
    Client().post(link)
    assert thief.get("/profile/").status_code == 302
    for email in ("alice@example.org", "thief@example.org"):
        thief.post("/account/login/", {"login": email, "password": PASSWORD})
        assert thief.get("/profile/").status_code == 302


def test_owner_chooses_a_new_password(alice, link, link_in_mail):
    owner = Client()
    owner.post(link)
    owner.post("/account/password/reset/", {"email": alice.email})
    form = owner.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    owner.post(form, {"password1": "staple battery horse", "password2": "staple battery horse"})
    owner.post("/account/login/", {"login": alice.email, "password": "staple battery horse"})
    assert owner.get("/profile/").status_code == 200


@pytest.fixture
def way_in(alice):
    """Add something that signs in to alice's account, some days ago."""

    def add(kind: type, days: float, **fields):
        row = kind.objects.create(user=alice, **fields)
        moment = "created_at" if kind is Authenticator else "date_joined"
        kind.objects.filter(pk=row.pk).update(**{moment: timezone.now() - timedelta(days=days)})
        return row

    return add


def test_thief_comes_back_by_nothing_that_he_added(alice, link, way_in):
    group = Group.objects.create(name="staff", provider="thiefs", claim="groups", claim_values="staff")
    alice.claimed_memberships.create(group=group)
    way_in(Authenticator, 0, type="webauthn", data={"name": "Key"})
    way_in(Authenticator, 6, type="totp", data={"name": "Key"})
    way_in(Authenticator, 30, type="recovery_codes", data={"name": "Key"})
    way_in(SocialAccount, 0, provider="thiefs", uid="1")
    Client().post(link)
    assert not Authenticator.objects.exists()
    assert not SocialAccount.objects.exists()
    assert not alice.claimed_memberships.exists()


def test_code_that_the_thief_asked_for_before_signs_nobody_in_afterwards(alice, link):
    browser = Client()
    browser.post("/account/login/code/", {"email": "thief@example.org"})
    code = re.search(r"^([0-9A-Z-]{6,})$", mail.outbox[-1].body, re.M)[1]
    Client().post(link)
    answer = browser.post("/account/login/code/confirm/", {"code": code}, follow=True)
    assert "This code does not work any more" in answer.text
    assert browser.get("/profile/").status_code == 302


def test_what_the_owner_had_long_before_stays(alice, link, way_in):
    old = [way_in(Authenticator, 30, type=kind, data={"name": "Key"}) for kind in ("totp", "recovery_codes")]
    way_in(Authenticator, 0, type="webauthn", data={"name": "Key"})
    company = way_in(SocialAccount, 30, provider="company", uid="1")
    Client().post(link)
    assert list(Authenticator.objects.order_by("pk")) == old
    assert list(SocialAccount.objects.all()) == [company]


def test_address_that_is_lost_again_is_told_without_a_link(alice, link):
    mail.outbox.clear()
    Client().post(link)
    (told,) = mail.outbox
    assert told.to == ["thief@example.org"]
    assert "changed from thief@example.org to alice@example.org" in told.body
    assert "/undo/" not in told.body


def test_change_that_waits_cannot_be_confirmed_afterwards(alice, thief, link, link_in_mail):
    thief.post("/account/email/", {"email": "third@example.org", "action_add": ""})
    assert mail.outbox[-1].to == ["third@example.org"]
    waiting = link_in_mail()
    Client().post(link)
    thief.post(waiting)
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"


def test_scanner_that_follows_the_link_changes_nothing(alice, link):
    assert Client().get(link).status_code == 200
    alice.refresh_from_db()
    assert alice.email == "thief@example.org"


def test_link_works_once(link):
    Client().post(link)
    for answer in (Client().get(link), Client().post(link)):
        assert (answer.status_code, "This link does not work" in answer.text) == (404, True)


def test_link_works_for_seven_days(link):
    AddressChange.objects.update(at=timezone.now() - timedelta(days=7))
    assert Client().post(link).status_code == 404


def test_forged_and_unknown_links_are_answered_alike(link, alice):
    forged = link.replace(str(AddressChange.objects.get().pk), "999", 1)
    used = Client()
    used.post(link)
    pages = [used.get(path) for path in (link, forged, "/account/email/undo/1/", "/account/email/undo/x:y/")]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text.count("<") for page in pages}) == 1


def test_guessing_links_is_stopped(service):
    answers = [Client().post(f"/account/email/undo/{number}:x/").status_code for number in range(21)]
    assert (answers[0], answers[-1]) == (404, 429)


def test_first_owner_comes_back_after_two_changes_and_the_later_link_ends(alice, link, change, link_in_mail):
    change("second@example.org")
    later = link_in_mail(UNDO)
    assert mail.outbox[-1].to == ["thief@example.org"]
    Client().post(link)
    assert Client().post(later).status_code == 404
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"


def test_somebody_who_only_signed_up_with_the_address_does_not_keep_it(alice, link):
    Client().post("/account/signup/", {**NEW, "email": "alice@example.org"})
    assert User.objects.filter(email="alice@example.org").exclude(pk=alice.pk).exists()
    Client().post(link)
    assert User.objects.get(email="alice@example.org") == alice


def test_address_that_another_account_has_confirmed_stays_there(alice, link, bob):
    EmailAddress.objects.create(user=bob, email="alice@example.org", verified=True)
    assert Client().post(link).status_code == 404
    alice.refresh_from_db()
    assert alice.email == "thief@example.org"


def test_address_that_was_never_confirmed_gets_no_link(alice, change):
    EmailAddress.objects.filter(user=alice).update(verified=False)
    change("right@example.org")
    assert User.objects.get(pk=alice.pk).email == "right@example.org"
    assert all("/undo/" not in message.body for message in mail.outbox)


def test_closed_account_does_not_come_back(alice, link):
    from accounts import closing

    alice.refresh_from_db()
    closing.close(alice, by=alice)
    assert Client().post(link).status_code == 404
    assert not AddressChange.objects.exists()
