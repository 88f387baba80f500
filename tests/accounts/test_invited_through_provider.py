"""Accepting an invitation by signing in with an identity provider."""

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import invitations
from accounts.models import Group, Invitation, User
from portalsettings.models import PortalSettings
from tests.accounts import openid_provider
from tests.subscriptions.parallel import at_once

SIGN_UP = "/account/3rdparty/signup/"
FORM = {"first_name": "Dora", "last_name": "Doe"}


@pytest.fixture
def provider():
    with openid_provider.running() as provider:
        settings = {"server_url": provider.url}
        SocialApp.objects.create(
            provider="openid_connect", provider_id="contoso", name="Contoso ID", client_id="portal", settings=settings
        )
        yield provider


@pytest.fixture
def partners(db) -> Group:
    return Group.objects.create(name="partners", display_name="Partners")


@pytest.fixture
def link(admin_user, partners, link_in_mail) -> str:
    PortalSettings.objects.create(sign_up="invitation", approval_required=True, allowed_domains="contoso.com")
    invitations.invite(emails=["dora@example.org"], by=admin_user, groups=[partners])
    return link_in_mail()


def _go(provider, link: str, client: Client, email: str):
    """Follow the link to the provider, and come back as somebody of whom it says this."""
    target = client.post(link, {"provider": "contoso"}).context["target"]
    provider.claims = {"sub": "7", "email": email, "email_verified": False, "given_name": "Dora"}
    state = parse_qs(urlsplit(target).query)["state"][0]
    return client.get("/account/oidc/contoso/login/callback/", {"code": "x", "state": state})


def test_page_of_the_invitation_offers_the_provider(provider, link):
    page = Client().get(link).text
    assert "Sign in with Contoso ID" in page
    assert 'name="provider" value="contoso"' in page


@pytest.mark.parametrize("sign_up", ["invitation", "closed", "open"])
@pytest.mark.parametrize("email", ["dora@example.org", "dora.doe@elsewhere.example"])
def test_invited_person_has_an_account_with_the_invited_address(provider, link, partners, email, sign_up):
    PortalSettings.objects.update(sign_up=sign_up)
    client = Client()
    assert _go(provider, link, client, email)["Location"] == SIGN_UP
    assert 'value="dora@example.org"' in client.get(SIGN_UP).text
    client.post(SIGN_UP, FORM)
    assert "dora@example.org" in client.get("/profile/account/").text
    dora = User.objects.get(email="dora@example.org")
    assert (dora.state, dora.has_usable_password()) == ("active", False)
    assert list(dora.audience_groups.all()) == [partners]
    assert list(EmailAddress.objects.values_list("email", "verified").filter(user=dora)) == [("dora@example.org", True)]
    assert SocialAccount.objects.get().user == dora
    assert Client().get(link).status_code == 404


def test_posted_address_is_ignored(provider, link):
    client = Client()
    _go(provider, link, client, "dora@example.org")
    client.post(SIGN_UP, {**FORM, "email": "eve@example.org"})
    assert User.objects.get(last_name="Doe").email == "dora@example.org"


def test_who_did_not_come_by_the_link_is_told_that_an_invitation_is_needed(provider, link):
    client = Client()
    client.get(link)
    target = client.post("/account/oidc/contoso/login/").context["target"]
    provider.claims = {"sub": "7", "email": "dora@example.org", "email_verified": True}
    state = parse_qs(urlsplit(target).query)["state"][0]
    answer = client.get("/account/oidc/contoso/login/callback/", {"code": "x", "state": state})
    assert "invitation" in answer.text
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "ended", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}, {"digest": "of a newer link"}]
)
def test_invitation_that_ends_on_the_way_makes_no_account(provider, link, ended):
    client = Client()
    _go(provider, link, client, "dora@example.org")
    Invitation.objects.update(**ended)
    client.post(SIGN_UP, FORM)
    assert not SocialAccount.objects.exists()


def test_invitation_makes_one_account_for_two_who_come_back(provider, link):
    first, second = Client(), Client()
    _go(provider, link, first, "dora@example.org")
    _go(provider, link, second, "dora@example.org")
    provider.claims = {}
    first.post(SIGN_UP, FORM)
    second.post(SIGN_UP, FORM)
    assert User.objects.filter(last_name="Doe").count() == 1


@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time")
@pytest.mark.django_db(transaction=True)
def test_two_who_come_back_at_the_same_time_get_one_account(provider, link):
    clients = [Client(), Client()]
    for client in clients:
        _go(provider, link, client, "dora@example.org")
    statuses: list[int] = []
    outcomes = at_once(
        *(lambda client=client: statuses.append(client.post(SIGN_UP, FORM).status_code) for client in clients)
    )
    assert outcomes == ["done", "done"]
    assert statuses.count(302) == 1
    assert User.objects.filter(last_name="Doe").count() == 1
    assert SocialAccount.objects.count() == 1


def test_address_that_got_an_account_on_the_way_is_not_entered(provider, link):
    client = Client()
    _go(provider, link, client, "dora@example.org")
    dora = User.objects.create_user("dora@example.org", "correct horse battery")
    client.post(SIGN_UP, FORM)
    assert not SocialAccount.objects.exists()
    assert client.get("/profile/").status_code == 302
    assert mail.outbox[-1].to == [dora.email]


def test_provider_that_does_not_exist_leaves_the_page_as_it_was(link):
    answer = Client().post(link, {"provider": "nobody"})
    assert (answer.status_code, "Accept your invitation" in answer.text) == (200, True)
