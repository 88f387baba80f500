"""People who wait until an administrator approves them."""

import pytest
from django.core import mail
from django.test import Client

from accounts import user_states
from accounts.models import User
from events import names
from events.models import Event
from portalsettings.models import PortalSettings
from tests.accounts.conftest import NEW

SIGN_IN = {"login": NEW["email"], "password": NEW["password1"]}


@pytest.fixture
def dora(service, link_in_mail) -> User:
    """Has signed up and confirmed the address, and waits."""
    PortalSettings.objects.create(approval_required=True)
    browser = Client()
    browser.post("/account/signup/", NEW)
    assert browser.post(link_in_mail())["Location"] == "/account/waiting/"
    return User.objects.get(email=NEW["email"])


def test_who_waits_is_told_so_at_sign_in(dora):
    answer = Client().post("/account/login/", SIGN_IN, follow=True)
    assert "Your account waits for approval" in answer.text


def test_wrong_password_does_not_tell_that_somebody_waits(dora):
    answer = Client().post("/account/login/", {**SIGN_IN, "password": "wrong"}, follow=True)
    assert "approval" not in answer.text


def test_administrators_hear_once_that_somebody_waits(dora):
    Client().post("/account/login/", SIGN_IN)
    assert [event.data["user"] for event in Event.objects.filter(name=names.USER_WAITING)] == [dora.pk]


def test_nobody_hears_of_an_address_that_is_not_confirmed(service):
    PortalSettings.objects.create(approval_required=True)
    Client().post("/account/signup/", NEW)
    assert (mail.outbox[0].to, Event.objects.count()) == ([NEW["email"]], 0)
    assert Client().post("/account/login/", SIGN_IN)["Location"] == "/account/confirm-email/"


def test_who_waits_gets_a_new_password_and_waits_on(dora, link_in_mail):
    client = Client()
    client.post("/account/password/reset/", {"email": dora.email})
    form = client.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": "another horse battery", "password2": "another horse battery"})
    answer = client.post("/account/login/", {**SIGN_IN, "password": "another horse battery"})
    assert answer["Location"] == "/account/waiting/"


def test_approved_person_signs_in(dora, admin_user):
    user_states.change_state(dora, User.State.ACTIVE, by=admin_user, comment="Welcome")
    client = Client()
    client.post("/account/login/", SIGN_IN)
    assert client.get("/profile/").status_code == 200
    assert Event.objects.get(name=names.USER_APPROVED).data == {"user": dora.pk, "comment": "Welcome"}


def test_rejected_person_stays_out(dora, admin_user):
    user_states.change_state(dora, User.State.BLOCKED, by=admin_user)
    assert "This account is blocked" in Client().post("/account/login/", SIGN_IN, follow=True).text
    assert Event.objects.filter(name=names.USER_REJECTED).exists()


def test_people_who_were_there_before_do_not_wait(alice):
    PortalSettings.objects.create(approval_required=True)
    client = Client()
    client.post("/account/login/", {"login": alice.email, "password": NEW["password1"]})
    assert client.get("/profile/").status_code == 200
