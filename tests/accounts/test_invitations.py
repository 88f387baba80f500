"""Inviting people by mail."""

import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import invitations
from accounts.models import Group, Invitation, User
from portalsettings import validation_key
from portalsettings.models import PortalSettings
from tests.accounts.conftest import NEW

FORM = {name: NEW[name] for name in ("first_name", "last_name", "password1", "password2")}


@pytest.fixture
def partners(db) -> Group:
    return Group.objects.create(name="partners", display_name="Partners")


@pytest.fixture
def link(admin_user, partners, link_in_mail) -> str:
    """Of Dora's invitation."""
    PortalSettings.objects.create(sign_up="invitation", approval_required=True, allowed_domains="contoso.com")
    invitations.invite(emails=["Dora@example.org"], by=admin_user, first_name="Dora", note="Hi!", groups=[partners])
    return link_in_mail()


def test_mail_tells_who_invites_and_how_long_the_link_works(link, settings):
    message = mail.outbox[0]
    assert message.subject == "You are invited to the developer portal of Contoso"
    assert message.to == ["dora@example.org"]
    assert f"{settings.PORTAL_URL}{link}" in message.body
    assert "Hi!" in message.body
    assert "works once, until" in message.body


def test_accepting_makes_an_account_that_is_signed_in(link, partners):
    browser = Client()
    assert 'value="Dora"' in browser.get(link).text
    browser.post(link, FORM)
    assert "dora@example.org" in browser.get("/profile/account/").text
    user = User.objects.get(email="dora@example.org")
    assert (user.full_name, user.state) == ("Dora Doe", "active")
    assert list(user.audience_groups.all()) == [partners]
    assert EmailAddress.objects.get(user=user).verified


def test_link_works_once(link):
    Client().post(link, FORM)
    answer = Client().post(link, FORM)
    assert (answer.status_code, "This invitation does not work" in answer.text) == (404, True)


def test_scanner_that_follows_the_link_does_not_use_it_up(link):
    for _ in range(3):
        assert Client().get(link).status_code == 200
    Client().post(link, FORM)
    assert User.objects.filter(email="dora@example.org").exists()


def test_link_expires_after_a_week_and_can_be_sent_again(link, link_in_mail):
    Invitation.objects.update(expires_at=timezone.now())
    assert Client().get(link).status_code == 404
    invitations.send_again(Invitation.objects.get())
    assert Client().get(link).status_code == 404
    assert Client().get(link_in_mail()).status_code == 200
    assert Invitation.objects.get().expires_at > timezone.now() + timedelta(days=6)


def test_revoked_link_does_not_work(link):
    invitations.revoke(Invitation.objects.get())
    assert Client().post(link, FORM).status_code == 404
    with pytest.raises(invitations.Unusable):
        invitations.send_again(Invitation.objects.get())


def test_inviting_again_takes_the_place_of_the_first_link(link, link_in_mail, admin_user):
    invitations.invite(emails=["dora@example.org"], by=admin_user)
    assert Client().get(link).status_code == 404
    assert Client().get(link_in_mail()).status_code == 200
    assert Invitation.objects.count() == 1


def test_token_is_nowhere_in_the_database(link):
    token = link.rstrip("/").rpartition("/")[2]
    assert all(token not in str(value) for value in Invitation.objects.values().get().values())


def test_who_has_an_account_joins_the_groups_at_once(alice, admin_user, partners):
    outcome = invitations.invite(emails=["ALICE@example.org", "new@example.org"], by=admin_user, groups=[partners])
    assert outcome.joined == [alice]
    assert [row.email for row in outcome.invited] == ["new@example.org"]
    assert partners in alice.audience_groups.all()


def test_address_that_an_account_has_beside_its_own_makes_no_second_one(link, alice, partners):
    EmailAddress.objects.create(user=alice, email="dora@example.org", verified=True)
    assert "password1" not in Client().get(link).text
    assert Client().post(link)["Location"] == "/account/login/"
    assert list(alice.audience_groups.all()) == [partners]


def test_who_got_an_account_meanwhile_accepts_with_it(link, partners):
    user = User.objects.create_user("dora@example.org", NEW["password1"])
    assert "You have an account already" in Client().get(link).text
    assert not user.audience_groups.exists()
    assert Client().post(link)["Location"] == "/account/login/"
    assert list(user.audience_groups.all()) == [partners]
    assert Client().get(link).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("password1", "short"), ("password2", "another one"), ("first_name", ""), ("last_name", "a\x00")],
)
def test_accepting_refuses(link, field, value):
    answer = Client().post(link, {**FORM, field: value})
    assert 'aria-invalid="true"' in answer.text
    assert not User.objects.filter(email="dora@example.org").exists()


def test_guessing_links_is_stopped(service):
    answers = [Client().post(f"/account/invitation/guess{number}/", FORM).status_code for number in range(21)]
    assert (answers[0], answers[-1]) == (404, 429)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time")
@pytest.mark.django_db(transaction=True)
def test_two_who_follow_a_link_at_the_same_time_make_one_account(link):
    token, refusals = link.rstrip("/").rpartition("/")[2], []
    start = threading.Barrier(2, timeout=60)

    def accept() -> None:
        try:
            start.wait()
            invitations.accept(token, password=NEW["password1"], first_name="D", last_name="D")
        except invitations.Unusable as error:
            refusals.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=accept) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refusals), User.objects.filter(email="dora@example.org").count()) == (1, 1)


def test_whoever_is_invited_signs_up_at_an_own_site_where_that_is_delegated(link, partners, alice, signed_in):
    validation_key.regenerate()
    PortalSettings.objects.update(delegation_url="https://own.example/", delegates_sign_in=True)
    for answer in (Client().get(link), Client().post(link, FORM)):
        own = parse_qs(urlsplit(Client().get(answer["Location"])["Location"]).query)
        assert (own["operation"], own["returnUrl"]) == (["SignUp"], [link])
    assert signed_in(alice).get(link).status_code == 404
    assert not User.objects.filter(email="dora@example.org").exists()
    dora = User.objects.create_user("dora@example.org")
    EmailAddress.objects.create(user=dora, email=dora.email, verified=True, primary=True)
    Client().post(link)
    assert list(dora.audience_groups.all()) == [partners]
