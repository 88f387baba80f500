"""Signing in and up through an identity provider."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.core import mail
from django.test import Client

from accounts import provider_secrets
from accounts.claims import apply_claims
from accounts.models import Group, User
from audit.models import Entry
from events.models import Event
from portalsettings.models import PortalSettings
from tests.accounts import openid_provider

PASSWORD = "correct horse battery"
SECRET = "the client's secret"
LOGIN = "/account/oidc/contoso/login/"


@pytest.fixture
def provider():
    with openid_provider.running() as provider:
        yield provider


@pytest.fixture
def app(provider) -> SocialApp:
    settings = {
        "server_url": provider.url,
        "email_authentication": True,
        provider_secrets.SETTING: provider_secrets.sealed(SECRET),
    }
    return SocialApp.objects.create(
        provider="openid_connect", provider_id="contoso", name="Contoso ID", client_id="portal", settings=settings
    )


def _come_from(provider, client: Client | None = None, query: str = "", **claims):
    """Go to the provider and come back as somebody of whom it says this."""
    client = client or Client()
    leaving = client.post(LOGIN + query)
    target = leaving.context["target"]
    provider.claims = {"sub": "7", "email": "dora@example.org", "email_verified": True, **claims}
    state = parse_qs(urlsplit(target).query)["state"][0]
    return client, client.get(f"{LOGIN}callback/", {"code": "x", "state": state})


def _sign_up(provider, **claims):
    client, answer = _come_from(provider, **claims)
    assert answer["Location"] == "/account/3rdparty/signup/"
    form = {"email": claims.get("email", "dora@example.org"), "first_name": "Dora", "last_name": "Doe"}
    return client, client.post("/account/3rdparty/signup/", form)


def _is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def test_button_is_there_for_providers_that_are_set_up(db):
    assert "Sign in with Contoso ID" not in Client().get("/account/login/").text


def test_sign_in_page_has_its_button(app):
    page = Client().get("/account/login/?next=/products/").text
    assert "Sign in with Contoso ID" in page
    assert f'action="{LOGIN}?process=login&amp;next=%2Fproducts%2F"' in page


def test_a_page_leads_there_since_forms_may_not(app, provider):
    answer = Client().post(LOGIN)
    assert answer.status_code == 200
    assert answer.context["target"].startswith(f"{provider.url}/authorize?")
    assert "code_challenge" in answer.context["target"]
    assert "form-action 'self'" in answer["Content-Security-Policy"]


def test_link_alone_leads_nowhere(app):
    page = Client().get(LOGIN)
    assert (page.status_code, "Sign in with Contoso ID?" in page.text) == (200, True)


def test_confirmed_address_signs_up_at_once(app, provider):
    client, _answer = _sign_up(provider)
    dora = User.objects.get(email="dora@example.org")
    assert (dora.full_name, dora.has_usable_password()) == ("Dora Doe", False)
    assert _is_signed_in(client)
    assert Event.objects.filter(name="user.signed_up").count() == 1


def test_provider_gets_the_secret_although_the_database_does_not_hold_it(app, provider):
    _come_from(provider)
    assert SECRET not in str(SocialApp.objects.values().get())
    sent = provider.asked[0]
    basic = base64.b64decode(sent["authorization"][0].removeprefix("Basic ")).decode()
    assert SECRET in (sent.get("client_secret", [""])[0], basic.partition(":")[2])


def test_address_that_nobody_has_confirmed_is_confirmed_by_mail_first(app, provider):
    client, answer = _sign_up(provider, email_verified=False)
    assert answer["Location"] == "/account/confirm-email/"
    assert not _is_signed_in(client)
    assert mail.outbox[0].to == ["dora@example.org"]


def test_person_who_is_connected_signs_in(app, provider):
    _sign_up(provider)
    client, answer = _come_from(provider, email="other@example.org")
    assert answer["Location"] == "/"
    assert _is_signed_in(client)
    assert User.objects.count() == 1


def test_confirmed_address_signs_in_to_the_account_that_confirmed_it(app, provider, alice):
    client, _answer = _come_from(provider, email="Alice@example.org")
    assert _is_signed_in(client)
    assert SocialAccount.objects.get().user == alice
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("local", "claimed", "linking"),
    [
        pytest.param(False, True, True, id="the account never confirmed the address"),
        pytest.param(True, False, True, id="the provider does not vouch for the address"),
        pytest.param(True, True, False, id="the administrators did not allow it"),
    ],
)
def test_account_is_not_entered_by_an_address_alone(local, claimed, linking, app, provider, alice):
    EmailAddress.objects.update(verified=local)
    app.settings["email_authentication"] = linking
    app.save()
    client, _answer = _come_from(provider, email="alice@example.org", email_verified=claimed)
    client.post(
        "/account/3rdparty/signup/", {"email": "alice@example.org", "first_name": "Alice", "last_name": "Again"}
    )
    assert not _is_signed_in(client)
    assert not SocialAccount.objects.filter(user=alice).exists()
    assert User.objects.count() == 1


def test_closed_sign_up_is_closed_here_too(app, provider):
    PortalSettings.objects.create(sign_up="closed")
    _client, answer = _come_from(provider)
    assert "Sign-up is closed" in answer.text
    assert not User.objects.exists()


def test_address_at_a_domain_that_may_not_sign_up(app, provider):
    PortalSettings.objects.create(allowed_domains="contoso.example")
    _client, answer = _sign_up(provider)
    assert "Use an address at contoso.example" in answer.text
    assert not User.objects.exists()


def test_approval_is_waited_for(app, provider):
    PortalSettings.objects.create(approval_required=True)
    client, _answer = _sign_up(provider)
    assert not _is_signed_in(client)
    assert User.objects.get().state == User.State.PENDING


def test_blocked_person_does_not_get_in(app, provider):
    _sign_up(provider)
    User.objects.update(state=User.State.BLOCKED)
    client, _answer = _come_from(provider)
    assert not _is_signed_in(client)


def test_claims_fill_groups_at_each_sign_in(app, provider):
    group = Group.objects.create(
        name="partners", display_name="Partners", provider="contoso", claim="roles", claim_values="partner"
    )
    _sign_up(provider, roles=["partner"])
    assert group in Group.objects.of(User.objects.get())
    _come_from(provider, roles=[])
    assert group not in Group.objects.of(User.objects.get())


def test_second_factor_is_asked_for(app, provider, alice):
    from allauth.mfa.totp.internal import auth as totp

    totp.TOTP.activate(alice, totp.generate_totp_secret())
    client, answer = _come_from(provider, email="alice@example.org")
    assert answer["Location"] == "/account/2fa/authenticate/"
    assert not _is_signed_in(client)


@pytest.mark.parametrize("query", [{"error": "access_denied"}, {"code": "x", "state": "forged"}, {}])
def test_trouble_at_the_provider_is_told(query, app):
    answer = Client().get(f"{LOGIN}callback/", query)
    assert "That did not work" in answer.text


def test_provider_is_connected_and_disconnected(app, provider, alice, signed_in):
    client = signed_in(alice)
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/profile/security/"})
    _client, answer = _come_from(provider, client, query="?process=connect", email="elsewhere@example.org")
    assert answer["Location"] == "/profile/security/"
    page = client.get("/profile/security/").text
    assert "Disconnect" in page
    assert mail.outbox[-1].subject == "Contoso ID was connected to your account at Contoso"
    client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()


def test_provider_that_an_administrator_connects_is_in_the_audit_log(app, provider, admin_user, signed_in):
    client = signed_in(admin_user)
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/profile/security/"})
    _come_from(provider, client, query="?process=connect", email="elsewhere@example.org")
    (entry,) = Entry.objects.filter(content_type__model="socialaccount")
    assert (entry.actor, entry.action, entry.via) == (admin_user, Entry.Action.CREATE, "portal")
    assert entry.changes["provider"] == ["None", "contoso"]


def test_groups_by_a_provider_end_with_the_connection(app, alice, signed_in):
    group = Group.objects.create(name="g", display_name="G", provider="contoso", claim="groups", claim_values="a")
    apply_claims(alice, "contoso", {"groups": ["a"]})
    connected = SocialAccount.objects.create(user=alice, provider="contoso", uid="7")
    client = signed_in(alice)
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/"})
    client.post("/account/3rdparty/", {"account": connected.pk})
    assert not SocialAccount.objects.exists()
    assert group not in Group.objects.of(alice)


def test_account_of_somebody_else_is_not_disconnected(app, provider, mallory, signed_in):
    _sign_up(provider)
    client = signed_in(mallory)
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/"})
    client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert SocialAccount.objects.exists()


def test_provider_that_cannot_be_reached_is_told(app):
    app.settings["server_url"] = "http://127.0.0.1:9"
    app.save()
    answer = Client().post(LOGIN)
    assert (answer.status_code, "That did not work" in answer.text) == (502, True)


def test_secret_under_another_key_is_none(settings):
    sealed = provider_secrets.sealed(SECRET)
    assert provider_secrets.opened(sealed) == SECRET
    settings.KEY_ENCRYPTION_KEY = "another one" * 5
    assert provider_secrets.opened(sealed) == ""
