"""Administrators with a second factor, and people who have lost theirs."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.urls import reverse

from accounts.models import User
from events.models import Event
from portalsettings.models import PortalSettings


def _add_app(user: User) -> None:
    totp.TOTP.activate(user, totp.generate_totp_secret())


def _step(user: User) -> str:
    return reverse("admin:accounts_user_second_factors", args=[user.pk])


@pytest.fixture
def required(db) -> None:
    PortalSettings.objects.create(second_factor_required=True)


def test_administration_waits_for_the_second_factor(admin, admin_user, required):
    page = admin.get("/admin/", follow=True)
    assert page.status_code == 403
    assert "Add a second factor first" in page.text
    _add_app(admin_user)
    assert admin.get("/admin/").status_code == 200


def test_recovery_codes_alone_are_no_second_factor(admin, admin_user, required):
    RecoveryCodes.activate(admin_user)
    assert admin.get("/admin/", follow=True).status_code == 403


def test_each_page_asks(admin, required):
    assert admin.get("/admin/accounts/user/").status_code == 302
    assert admin.post("/admin/accounts/user/add/", {"email": "x@example.org"}).status_code == 302
    assert not User.objects.filter(email="x@example.org").exists()


def test_developer_is_told_that_he_may_not_as_before(service, signed_in, alice, required):
    assert "This part is for administrators" in signed_in(alice).get("/admin/", follow=True).text


def test_lost_second_factors_are_taken_off_and_the_person_is_told(admin, admin_user, alice):
    _add_app(alice)
    RecoveryCodes.activate(alice)
    assert "Take them off" in admin.get(_step(alice)).text
    assert Authenticator.objects.filter(user=alice).count() == 2
    admin.post(_step(alice))
    assert not Authenticator.objects.filter(user=alice).exists()
    event = Event.objects.get(name="user.second_factor_reset")
    assert (event.by, event.data) == (admin_user, {"user": alice.pk})
    assert mail.outbox[-1].to == [alice.email]
    assert mail.outbox[-1].subject == "Your second factors at Contoso were taken off"


def test_nothing_is_told_where_there_was_nothing(admin, alice):
    admin.post(_step(alice))
    assert not mail.outbox
    assert not Event.objects.exists()


def test_step_is_for_administrators(service, signed_in, alice, bob, admin_user):
    _add_app(admin_user)
    assert signed_in(alice).post(_step(bob)).status_code == 302
    bob.is_staff = True
    bob.save()
    assert signed_in(bob).post(_step(admin_user)).status_code == 403
    assert Authenticator.objects.exists()
