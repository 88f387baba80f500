"""Signing in without a password, and with a second step."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client

from accounts.models import User
from events.models import Event

PASSWORD = "correct horse battery"


def _is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def _ask_for_code(email: str) -> Client:
    client = Client()
    assert client.post("/account/login/code/", {"email": email})["Location"] == "/account/login/code/confirm/"
    return client


def _code() -> str:
    return re.search(r"^([0-9A-Z-]{6,})$", mail.outbox[-1].body, re.M)[1]


def _with_password(user: User) -> Client:
    client = Client()
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})
    return client


def _confirmed(user: User, page: str) -> Client:
    """A browser that has just confirmed who uses it, and is on the page."""
    client = _with_password(user)
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": page})
    return client


@pytest.fixture
def secret(alice) -> str:
    """What alice's authenticator app knows."""
    secret = totp.generate_totp_secret()
    client = _confirmed(alice, "/account/2fa/totp/activate/")
    session = client.session
    session[totp.SECRET_SESSION_KEY] = secret
    session.save()
    answer = client.post("/account/2fa/totp/activate/", {"code": _now(secret)})
    assert answer["Location"] == "/account/2fa/recovery-codes/"
    return secret


def _now(secret: str, steps: int = 0) -> str:
    *_, counter = totp.yield_hotp_counters_from_time()
    return totp.format_hotp_value(totp.hotp_value(secret, counter - 1 + steps))


def test_code_by_mail_signs_in(alice):
    client = _ask_for_code("ALICE@example.org")
    assert mail.outbox[-1].subject == "Your sign-in code for Contoso"
    client.post("/account/login/code/confirm/", {"code": _code()})
    assert _is_signed_in(client)


def test_code_works_once_and_in_the_browser_that_asked(alice):
    client = _ask_for_code(alice.email)
    code = _code()
    client.post("/account/login/code/confirm/", {"code": code})
    again = Client()
    again.post("/account/login/code/confirm/", {"code": code})
    assert not _is_signed_in(again)


def test_third_wrong_code_ends_it(alice):
    client = _ask_for_code(alice.email)
    for _ in range(3):
        client.post("/account/login/code/confirm/", {"code": "wrong"})
    client.post("/account/login/code/confirm/", {"code": _code()})
    assert not _is_signed_in(client)


def test_blocked_person_gets_no_code(alice):
    User.objects.update(state=User.State.BLOCKED)
    _ask_for_code(alice.email)
    assert not mail.outbox


def test_authenticator_app_is_asked_for(alice, secret):
    for client in (_with_password(alice), _ask_for_code(alice.email)):
        if mail.outbox[-1].subject.startswith("Your sign-in code"):
            client.post("/account/login/code/confirm/", {"code": _code()})
        assert not _is_signed_in(client)
        assert "Second step" in client.get("/account/2fa/authenticate/").text
    client.post("/account/2fa/authenticate/", {"code": "000000"})
    assert not _is_signed_in(client)
    client.post("/account/2fa/authenticate/", {"code": _now(secret, 1)})
    assert _is_signed_in(client)


def test_secrets_of_second_factors_are_not_stored_as_they_are(alice, secret):
    for factor in Authenticator.objects.all():
        assert secret not in str(factor.data)
    codes = RecoveryCodes.activate(alice)
    assert all(code not in str(codes.instance.data) for code in codes.get_unused_codes())


def test_recovery_codes_are_shown_once_and_each_signs_in_once(alice, secret):
    client = _confirmed(alice, "/account/2fa/recovery-codes/generate/")
    code = RecoveryCodes.activate(alice).get_unused_codes()[0]
    for _ in range(2):
        other = _with_password(alice)
        other.post("/account/2fa/authenticate/", {"code": code})
    assert not _is_signed_in(other)
    assert not _is_signed_in(client)


def test_owner_is_told_of_a_second_factor_that_goes(alice, secret):
    client = _with_password(alice)
    client.post("/account/2fa/authenticate/", {"code": _now(secret, 1)})
    client.post("/account/2fa/totp/deactivate/")
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/account/2fa/totp/deactivate/"})
    assert not Authenticator.objects.exists()
    assert mail.outbox[-1].subject == "The authenticator app was removed at Contoso"


@pytest.mark.parametrize(
    "page", ["totp/activate/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/"]
)
def test_found_open_session_changes_no_second_factor(page, alice, secret, signed_in):
    client = signed_in(alice)
    answer = client.get(f"/account/2fa/{page}")
    assert answer.status_code == 302
    assert "/reauthenticate/" in answer["Location"] or answer["Location"].startswith("/account/2fa/totp/")


def test_passkey_options_tell_nothing_about_accounts(alice):
    options = Client().get("/account/2fa/webauthn/login/", headers={"Accept": "application/json"}).json()
    assert not options["request_options"]["publicKey"].get("allowCredentials")


def test_passkey_that_nobody_has_signs_nobody_in(alice):
    for credential in ("", "nonsense", "{}", '{"id": "a", "rawId": "a", "response": {}, "type": "public-key"}'):
        client = Client()
        client.post("/account/2fa/webauthn/login/", {"credential": credential})
        assert not _is_signed_in(client)


def _new_device_events() -> int:
    return Event.objects.filter(name="user.signed_in_from_new_device").count()


def test_first_sign_in_of_an_account_is_no_news(alice):
    _with_password(alice)
    assert _new_device_events() == 0


def test_sign_in_from_another_browser_is_told_once(alice):
    _with_password(alice)
    other = _with_password(alice)
    assert _new_device_events() == 1
    assert Event.objects.latest("pk").data == {"user": alice.pk, "device": "", "address": "127.0.0.1"}
    other.post("/account/logout/")
    other.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    assert _is_signed_in(other)
    assert _new_device_events() == 1


def test_browser_of_somebody_else_is_a_new_one(alice, bob):
    _with_password(alice)
    browser = _with_password(bob)
    browser.post("/account/logout/")
    browser.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    assert _new_device_events() == 1


def test_forged_device_cookie_counts_for_nothing(alice):
    _with_password(alice)
    client = Client()
    client.cookies["apim_device"] = f'["x", {alice.pk}]:1abc:forged'
    client.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    assert _is_signed_in(client)
    assert _new_device_events() == 1
