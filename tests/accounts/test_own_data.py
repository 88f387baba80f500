"""Taking one's data along, and closing the account."""

import json
import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import closing, teams
from accounts.invitations import invite
from accounts.models import CustomField, CustomValue, Group, Invitation, TeamMembership, User
from accounts.user_states import LastAdministrator
from analytics import rollups
from analytics.ingest import ingest
from events.models import Event
from notifications import telling
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription
from tests.analytics.conftest import record, start_gateway, write

__all__ = ["start_gateway", "write"]

PASSWORD = "correct horse battery"
CLOSE = "/profile/data/close/"
DOWNLOAD = "/profile/data/download/"


@pytest.fixture
def subscription(alice) -> Subscription:
    product = Product.objects.create(name="starter", display_name="Starter", state="published")
    product.groups.set(Group.objects.all())
    return lifecycle.subscribe(user=alice, product=product, display_name="Laptop")


@pytest.fixture
def client(alice) -> Client:
    """Alice's browser; she has just entered her password."""
    client = Client(headers={"User-Agent": "Firefox/140 Linux"})
    client.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    client.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/profile/data/"})
    return client


def _everything(user: User) -> None:
    SocialAccount.objects.create(user=user, provider="contoso", uid="7", extra_data={"nick": "ali"})
    totp.TOTP.activate(user, totp.generate_totp_secret())
    CustomValue.objects.create(user=user, field=CustomField.objects.create(label="Company"), value="Contoso")
    teams.create(name="Robots", by=user)


def test_download_holds_what_is_kept_and_no_secret(client, alice, subscription):
    _everything(alice)
    answer = client.post(DOWNLOAD)
    assert re.fullmatch(r'attachment; filename="account-\d{4}-\d\d-\d\d\.json"', answer["Content-Disposition"])
    data = json.loads(answer.content)
    assert data["profile"]["email"] == "alice@example.org"
    assert data["further_fields"] == {"Company": "Contoso"}
    assert data["subscriptions"][0]["name"] == "Laptop"
    assert data["subscriptions"][0]["calls"] == {"let_through": 0, "refused": 0}
    assert data["teams"][0]["name"] == "Robots"
    assert data["connected_accounts"][0]["extra_data"] == {"nick": "ali"}
    assert data["second_factors"][0]["type"] == "totp"
    assert data["sessions"][0]["device"] == "Firefox, Linux"
    keys = [key.digest.hex() if isinstance(key.digest, bytes) else str(key.digest) for key in subscription.keys.all()]
    assert not any(secret in answer.text for secret in (alice.password, "secret", *keys))


def test_download_holds_the_latest_calls_and_from_where_they_came(client, alice, bob, subscription, write, tmp_path):
    calls = [
        record(number, subscription=subscription.pk.bytes, user=user.pk, caller_address=f"203.0.113.{number}", **fields)
        for number, user, fields in (
            (1, alice, {}),
            (2, bob, {}),
            (3, alice, {"response_code": 500, "request_headers": ((b"user-agent", b"mine"),)}),
        )
    ]
    write(*calls)
    ingest(tmp_path)
    rollups.settle()
    subscription.keys.filter(slot="primary").update(last_used_from="203.0.113.3")
    data = json.loads(client.post(DOWNLOAD).content)
    kept = [(call["caller_address"], call["request_headers"]) for call in data["latest_calls"]]
    assert kept == [("203.0.113.3", [["user-agent", "mine"]]), ("203.0.113.1", None)]
    assert [key["last_used_from"] for key in data["subscriptions"][0]["keys_used"]] == ["203.0.113.3", ""]


def test_download_is_one_s_own(client, mallory, signed_in):
    assert "alice" not in signed_in(mallory).post(DOWNLOAD, follow=True).text


@pytest.mark.parametrize("path", [DOWNLOAD, CLOSE])
def test_found_open_session_is_not_enough(path, alice, signed_in):
    assert signed_in(alice).post(path)["Location"].startswith("/account/reauthenticate/")
    alice.refresh_from_db()
    assert alice.state == User.State.ACTIVE


@pytest.mark.parametrize("path", ["/profile/data/", DOWNLOAD, CLOSE])
def test_pages_are_for_who_is_signed_in(path):
    assert Client().post(path).status_code in (302, 405)
    assert Client().get(path).status_code == 302


def test_downloads_are_limited(client):
    assert [client.post(DOWNLOAD).status_code for _ in range(11)] == [200] * 10 + [429]


def test_page_says_what_ends(client, subscription):
    page = client.get(CLOSE).text
    assert "Laptop" in page
    assert User.objects.get().state == User.State.ACTIVE


def test_closing_ends_subscriptions_and_erases_the_person(client, alice, subscription):
    _everything(alice)
    teams.delete(alice.teams.get(), by=alice)
    answer = client.post(CLOSE, follow=True)
    assert "Your account is closed." in answer.text
    subscription.refresh_from_db()
    assert (subscription.state, subscription.owner) == (Subscription.State.CANCELLED, None)
    alice.refresh_from_db()
    assert (alice.state, alice.full_name, alice.email) == ("deleted", "", f"deleted-{alice.pk}@deleted.invalid")
    assert not alice.has_usable_password()
    for kept in (EmailAddress, SocialAccount, Authenticator, UserSession, CustomValue, TeamMembership):
        assert not kept.objects.filter(user=alice).exists()


def test_everybody_hears_of_it_with_the_address_that_is_gone(client, alice):
    client.post(CLOSE)
    event = Event.objects.get(name="user.closed")
    assert event.data == {"user": alice.pk, "email": "alice@example.org", "person": "Alice"}


def test_invitations_to_earlier_addresses_are_erased_too(admin_user, alice):
    invite(emails=["old@example.org"], by=admin_user, first_name="Alice")
    Invitation.objects.update(accepted_by=alice, accepted_at=timezone.now())
    closing.close(alice, by=alice)
    assert not Invitation.objects.exists()
    assert not Event.objects.filter(name="user.invited").exists()


def test_event_forgets_the_person_once_it_is_told(client, alice):
    client.post(CLOSE)
    telling.tell_new()
    assert mail.outbox[-1].to == ["alice@example.org"]
    assert Event.objects.get(name="user.closed").data == {"user": alice.pk}


def test_all_sessions_end(client, alice):
    phone = Client()
    phone.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    client.post(CLOSE)
    for browser in (client, phone):
        assert browser.get("/profile/").status_code == 302


def test_nobody_signs_in_to_a_closed_account_and_the_address_is_free_again(client, alice):
    client.post(CLOSE)
    again = Client()
    again.post("/account/login/", {"login": "alice@example.org", "password": PASSWORD})
    assert again.get("/profile/").status_code == 302
    new = {"email": "alice@example.org", "first_name": "A", "last_name": "B"}
    Client().post("/account/signup/", new | {"password1": PASSWORD + "!", "password2": PASSWORD + "!"})
    assert User.objects.filter(email="alice@example.org").exists()


def test_sole_owner_of_a_team_hands_over_first(client, alice, bob):
    team = teams.create(name="Robots", by=alice)
    assert "Robots" in client.get(CLOSE).text
    assert "Make somebody else an owner" in client.post(CLOSE, follow=True).text
    alice.refresh_from_db()
    assert alice.state == User.State.ACTIVE
    TeamMembership.objects.create(team=team, user=bob, role="owner")
    client.post(CLOSE)
    assert [member.user for member in team.memberships.all()] == [bob]


def test_last_administrator_stays(admin_user):
    with pytest.raises(LastAdministrator):
        closing.close(admin_user, by=admin_user)
    assert User.objects.get().state == User.State.ACTIVE


def test_closing_twice_changes_nothing_more(alice):
    closing.close(alice, by=alice)
    closing.close(alice, by=alice)
    assert Event.objects.filter(name="user.closed").count() == 1
