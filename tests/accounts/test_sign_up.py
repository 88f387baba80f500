"""From signing up to being signed in, and what may go wrong with the link."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import User
from tests.accounts.conftest import NEW


@pytest.fixture
def browser() -> Client:
    """The browser in which Dora has signed up."""
    client = Client()
    answer = client.post("/account/signup/", NEW)
    assert answer["Location"] == "/account/confirm-email/"
    return client


@pytest.mark.parametrize("page", ["/account/login/", "/account/signup/", "/account/password/reset/"])
def test_an_e_mail_address_has_one_name(service, client, page):
    text = client.get(page).text
    assert ">E-mail address</label>" in text
    assert "Email" not in text


def test_mail_asks_to_confirm_in_the_services_name(browser, settings):
    assert mail.outbox[0].subject == "Confirm your e-mail address for Contoso"
    assert mail.outbox[0].to == ["dora@example.org"]
    assert f"{settings.PORTAL_URL}/account/confirm-email/" in mail.outbox[0].body
    assert User.objects.get(email="dora@example.org").full_name == "Dora Doe"


def test_host_header_does_not_get_into_the_mail(settings):
    settings.ALLOWED_HOSTS = ["*"]
    Client().post("/account/signup/", NEW, headers={"Host": "evil.example.org"})
    assert "evil" not in mail.outbox[0].body


def test_nobody_is_signed_in_before_the_address_is_confirmed(browser):
    assert browser.get("/profile/").status_code == 302
    answer = Client().post("/account/login/", {"login": NEW["email"], "password": NEW["password1"]})
    assert answer["Location"] == "/account/confirm-email/"


def test_confirming_signs_in(browser, link_in_mail):
    link = link_in_mail()
    page = browser.get(link)
    assert "Is <strong>dora@example.org</strong> your address?" in page.text
    assert browser.post(link)["Location"] == "/"
    assert "dora@example.org" in browser.get("/profile/").text


def test_sign_up_comes_back_to_where_it_began(link_in_mail):
    browser = Client()
    browser.post("/account/signup/?next=/products/", {**NEW, "next": "/products/"})
    assert browser.post(link_in_mail())["Location"] == "/products/"


def test_scanner_that_follows_the_link_confirms_nothing(browser, link_in_mail):
    for _ in range(3):
        Client().get(link_in_mail())
        Client().head(link_in_mail())
    assert not EmailAddress.objects.get(email=NEW["email"]).verified


def test_confirming_elsewhere_signs_nobody_in(browser, link_in_mail):
    elsewhere = Client()
    assert elsewhere.post(link_in_mail())["Location"].startswith("/account/login/")
    assert elsewhere.get("/profile/").status_code == 302
    assert EmailAddress.objects.get(email=NEW["email"]).verified


def test_second_click_says_that_it_is_confirmed(browser, link_in_mail):
    browser.post(link_in_mail())
    answer = Client().get(link_in_mail())
    assert (answer.status_code, "Already confirmed" in answer.text) == (200, True)


def test_expired_link_offers_a_new_one(browser, link_in_mail, monkeypatch):
    link = link_in_mail()
    later = timezone.now() + timedelta(days=4)
    monkeypatch.setattr("django.core.signing.time.time", later.timestamp)
    page = browser.get(link)
    assert "This link has expired" in page.text
    assert not EmailAddress.objects.get(email=NEW["email"]).verified
    sent = len(mail.outbox)
    from django.core.cache import cache

    cache.clear()  # Of the rate limit, three minutes have passed.
    assert browser.post(link)["Location"] == "/account/confirm-email/"
    assert len(mail.outbox) == sent + 1
    fresh = link_in_mail()
    assert fresh != link
    assert Client().get(fresh).status_code == 200
    assert "Is <strong>" in Client().get(fresh).text


@pytest.mark.parametrize("key", ["nonsense", "MTIz:1abc:forged", "x" * 3000])
def test_link_that_we_did_not_make_says_so(key):
    answer = Client().get(f"/account/confirm-email/{key}/")
    assert (answer.status_code, "This link does not work" in answer.text) == (404, True)


def test_signing_in_before_confirming_sends_another_mail(browser):
    from django.core.cache import cache

    cache.clear()
    Client().post("/account/login/", {"login": NEW["email"], "password": NEW["password1"]})
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nonsense"),
        ("email", "x" * 300 + "@example.org"),
        ("password1", "short"),
        ("password1", "12345678901234"),
        ("password1", "password123"),
        ("password2", "another one entirely"),
        ("first_name", ""),
        ("first_name", "x" * 101),
        ("last_name", "a\x00b"),
    ],
)
def test_sign_up_refuses(field, value):
    answer = Client().post("/account/signup/", {**NEW, field: value})
    assert answer.status_code == 200
    assert 'aria-invalid="true"' in answer.text
    assert not User.objects.exists()


def test_sign_up_gives_no_rights():
    Client().post("/account/signup/", {**NEW, "is_staff": "1", "is_superuser": "on", "state": "active"})
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)


@pytest.mark.parametrize(
    "place", ["https://evil.example.org/", "//evil.example.org", "javascript:alert(1)", "/\\evil.example.org"]
)
def test_next_leads_to_this_site_only(place, alice):
    answer = Client().post(
        "/account/login/", {"login": alice.email, "password": "correct horse battery", "next": place}
    )
    assert answer["Location"] == "/"


def test_rules_of_passwords_are_one_sentence():
    page = Client().get("/account/signup/").text
    assert "At least 10 characters. Not only digits. Not a common password. Unlike your name and address." in page


@pytest.mark.parametrize("url", ["/account/signup/", "/account/login/code/", "/account/password/reset/"])
def test_address_that_mail_programs_would_read_as_another_one_is_refused(url):
    encoded = "=?utf-8?q?dora=40elsewhere.example=3e?=@example.org"
    answer = Client().post(url, {**NEW, "email": encoded})
    assert (answer.status_code, "without “=?”" in answer.text) == (200, True)
    assert not User.objects.filter(email=encoded).exists()
    assert not mail.outbox


def test_nobody_invites_an_address_that_would_be_read_as_another_one(alice, signed_in):
    team = teams.create(name="Crew", by=alice)
    answer = signed_in(alice).post(f"/profile/teams/{team.pk}/invite/", {"email": "=?x?q?a?=@b.org", "role": "member"})
    assert "without “=?”" in answer.text
    assert not team.invitations.exists()


def test_nobody_changes_to_an_address_that_would_be_read_as_another_one(alice):
    client = Client()
    client.post("/account/login/", {"login": alice.email, "password": "correct horse battery"})
    values = {"email": "=?utf-8?q?a=40b.org=3e?=@example.org", "action_add": ""}
    client.post("/account/email/", values)
    client.post("/account/reauthenticate/", {"password": "correct horse battery", "next": "/account/email/"})
    assert "without “=?”" in client.post("/account/email/", values).text
    assert not mail.outbox
