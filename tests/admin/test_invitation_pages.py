"""Inviting people in the administration."""

import pytest
from django.core import mail

from accounts.models import Group, Invitation
from service.models import Service

LIST, ADD = "/admin/accounts/invitation/", "/admin/accounts/invitation/add/"


@pytest.fixture(autouse=True)
def service(db) -> Service:
    return Service.objects.create(name="demo", organization_name="Contoso", administrator_email="admin@example.org")


def test_many_are_invited_at_once_and_who_has_an_account_is_told_apart(admin_user, alice, signed_in):
    partners = Group.objects.create(name="partners", display_name="Partners")
    values = {"emails": "a@example.org, b@example.org\nalice@example.org", "groups": [partners.pk], "note": "Welcome"}
    answer = signed_in(admin_user).post(ADD, values, follow=True)
    assert "2 invitations are on their way." in answer.text
    assert "alice@example.org has an account, and is in the groups now." in answer.text
    assert [message.to[0] for message in mail.outbox] == ["a@example.org", "b@example.org"]
    assert Invitation.objects.first().invited_by == admin_user


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"emails": "a@example.org nonsense"}, "nonsense is no e-mail address."),
        ({"emails": " ".join(f"a{n}@example.org" for n in range(201))}, "Invite at most 200 people at a time"),
        ({"emails": "a@example.org b@example.org", "first_name": "A"}, "Leave the name empty"),
        ({"emails": "a@example.org", "groups": ["x"]}, "x"),
        ({}, "This field is required."),
    ],
)
def test_bad_invitation_is_refused_and_loses_nothing(admin_user, signed_in, values, says):
    answer = signed_in(admin_user).post(ADD, {"note": "My note", **values})
    assert says in answer.text
    assert "My note" in answer.text
    assert not mail.outbox


def test_invitations_are_sent_again_and_revoked_from_the_list(admin_user, signed_in):
    client = signed_in(admin_user)
    client.post(ADD, {"emails": "a@example.org"})
    row = Invitation.objects.get()
    chosen = {"_selected_action": [row.pk]}
    assert (
        "a@example.org: A new link was sent." in client.post(LIST, {**chosen, "action": "send_again"}, follow=True).text
    )
    assert len(mail.outbox) == 2
    assert (
        "a@example.org: The link works no more." in client.post(LIST, {**chosen, "action": "revoke"}, follow=True).text
    )
    assert "is not open" in client.post(LIST, {**chosen, "action": "send_again"}, follow=True).text
    assert "Revoked" in client.get(LIST).text


def test_only_administrators_invite(alice, signed_in):
    assert signed_in(alice).post(ADD, {"emails": "a@example.org"}).status_code in (302, 403)
    assert not Invitation.objects.exists()
