"""Signing in, passwords, addresses, and blocked people."""

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import User

PASSWORD = "correct horse battery"
NEW_PASSWORD = "staple battery horse"


def _sign_in(user: User, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": password})
    return client


def _is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def test_address_signs_in_in_any_case(alice):
    client = Client()
    client.post("/account/login/", {"login": "ALICE@Example.org", "password": PASSWORD})
    assert _is_signed_in(client)


def test_blocked_person_cannot_sign_in(alice):
    User.objects.update(state=User.State.BLOCKED)
    client = Client()
    answer = client.post("/account/login/", {"login": alice.email, "password": PASSWORD}, follow=True)
    assert "This account is blocked" in answer.text
    assert not _is_signed_in(client)


@pytest.mark.parametrize("state", [state for state in User.State if state != User.State.ACTIVE])
def test_session_of_a_person_who_is_not_active_any_more_ends_at_the_next_request(alice, state):
    client = _sign_in(alice)
    assert _is_signed_in(client)
    User.objects.update(state=state)
    assert not _is_signed_in(client)


def test_blocked_person_gets_no_reset_link(alice):
    User.objects.update(state=User.State.BLOCKED)
    Client().post("/account/password/reset/", {"email": alice.email})
    assert not mail.outbox


def test_password_reset_from_link_to_new_password(alice, link_in_mail):
    other_session = _sign_in(alice)
    client = Client()
    client.post("/account/password/reset/", {"email": alice.email})
    assert mail.outbox[0].subject == "Reset your password for Contoso"
    form = client.get(link_in_mail(), follow=True)
    url = form.redirect_chain[-1][0]
    done = client.post(url, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}, follow=True)
    assert "Your password is changed" in done.text
    assert _is_signed_in(_sign_in(alice, NEW_PASSWORD))
    assert not _is_signed_in(_sign_in(alice, PASSWORD))
    assert not _is_signed_in(other_session)
    assert mail.outbox[-1].subject == "Your password for Contoso was reset"


def test_reset_link_works_once(alice, link_in_mail):
    client = Client()
    client.post("/account/password/reset/", {"email": alice.email})
    link = link_in_mail()
    url = client.get(link, follow=True).redirect_chain[-1][0]
    client.post(url, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert "This link does not work" in Client().get(link, follow=True).text


def test_changing_the_password_ends_other_sessions(alice):
    mine, other = _sign_in(alice), _sign_in(alice)
    mine.post(
        "/account/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )
    assert _is_signed_in(mine)
    assert not _is_signed_in(other)
    assert mail.outbox[-1].subject == "Your password for Contoso was changed"


def test_new_address_counts_once_it_is_confirmed(alice, link_in_mail):
    client = _sign_in(alice)
    asked = client.post("/account/email/", {"email": "new@example.org", "action_add": ""})
    assert asked["Location"].startswith("/account/reauthenticate/")
    assert "Confirm that it is you" in client.get(asked["Location"]).text
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/account/email/"})
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"
    assert mail.outbox[-1].to == ["new@example.org"]
    assert "waits to be confirmed" in client.get("/account/email/").text
    client.post(link_in_mail())
    alice.refresh_from_db()
    assert alice.email == "new@example.org"
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["new@example.org"]


@pytest.mark.parametrize(
    "place", ["http://localhost/", "http://127.0.0.1/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_sign_in_leads_to_this_site_only(alice, place):
    answer = Client().post("/account/login/", {"login": alice.email, "password": PASSWORD, "next": place})
    assert answer["Location"] == "/"


def test_found_open_session_cannot_change_the_address(alice):
    client = _sign_in(alice)
    client.post("/account/email/", {"email": "thief@example.org", "action_add": ""})
    answer = client.post("/account/reauthenticate/", {"password": "a guess", "next": "/account/email/"})
    assert "Incorrect password" in answer.text
    assert not EmailAddress.objects.filter(email="thief@example.org").exists()


def test_administration_uses_the_same_sign_in_page(alice, admin_user):
    assert Client().get("/admin/login/?next=/admin/")["Location"] == "/account/login/?next=%2Fadmin%2F"
    assert _sign_in(alice).get("/admin/", follow=True).status_code == 403
    assert _sign_in(admin_user).get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "page",
    ["email/", "password/change/", "logout/", "reauthenticate/"],
)
def test_pages_of_an_account_are_in_the_portals_style(page, alice):
    answer = _sign_in(alice).get(f"/account/{page}")
    assert answer.status_code == 200
    assert "css/account.css" in answer.text


@pytest.mark.parametrize("page", ["confirm-email/", "inactive/", "password/reset/done/", "password/reset/key/done/"])
def test_pages_on_the_way_are_in_the_portals_style(page):
    answer = Client().get(f"/account/{page}")
    assert answer.status_code == 200
    assert "css/account.css" in answer.text
