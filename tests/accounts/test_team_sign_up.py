"""Signing up by an invitation to a team, where sign-up is by invitation."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import TeamInvitation, TeamRole, User
from portalsettings.models import PortalSettings
from tests.accounts.conftest import NEW


@pytest.fixture
def portal_settings(service) -> PortalSettings:
    return PortalSettings.objects.create(sign_up="invitation", teams_invite_people=True)


@pytest.fixture
def link(portal_settings, alice) -> str:
    """What dora's mail leads to."""
    teams.invite(teams.create(name="Crew", by=alice), NEW["email"], TeamRole.MEMBER, by=alice)
    return re.search(r"/teams/invitations/\S+?/", mail.outbox[-1].body)[0]


def _follow(link: str) -> Client:
    client = Client()
    client.post(link, {"answer": "sign-up"})
    return client


def test_invited_person_signs_up_and_joins(link, link_in_mail):
    client = Client()
    assert "Sign up" in client.get(link).text
    answer = client.post(link, {"answer": "sign-up"})
    assert f'value="{NEW["email"]}"' in client.get(answer["Location"]).text
    client.post(answer["Location"], NEW)
    assert client.post(link_in_mail(), follow=True).redirect_chain[-1][0] == link
    client.post(link, {"answer": "accept"})
    assert User.objects.get(email=NEW["email"]).teams.get().name == "Crew"


def test_nobody_signs_up_with_another_address(link):
    answer = _follow(link).post("/account/signup/", {**NEW, "email": "eve@example.org"})
    assert "Use the address that was invited" in answer.text
    assert not User.objects.filter(email="eve@example.org").exists()


def test_looking_at_the_invitation_opens_nothing(link):
    client = Client()
    client.get(link)
    client.post("/account/signup/", NEW)
    assert not User.objects.filter(email=NEW["email"]).exists()


def test_nobody_signs_up_by_an_invitation_that_has_ended(link):
    client = _follow(link)
    TeamInvitation.objects.update(ended_at=timezone.now(), outcome="revoked")
    client.post("/account/signup/", NEW)
    assert not User.objects.filter(email=NEW["email"]).exists()


@pytest.mark.parametrize("changed", [{"teams_invite_people": False}, {"sign_up": "closed"}])
def test_teams_invite_only_where_administrators_want_it(link, changed):
    PortalSettings.objects.update(**changed)
    client = _follow(link)
    assert "ask the administrators of this portal" in client.get(link).text
    client.post("/account/signup/", NEW)
    assert not User.objects.filter(email=NEW["email"]).exists()


def test_other_rules_of_signing_up_hold(link, portal_settings):
    portal_settings.allowed_domains, portal_settings.approval_required = "contoso.com", True
    portal_settings.save()
    client = _follow(link)
    assert "Use an address at contoso.com" in client.post("/account/signup/", NEW).text
    PortalSettings.objects.update(allowed_domains="")
    client.post("/account/signup/", NEW)
    assert User.objects.get(email=NEW["email"]).state == "pending"
