"""The portal's terms of use: accepted at sign-up, and again when they change."""

import pytest
from django.test import Client

from accounts.models import User
from portalsettings import terms
from portalsettings.models import PortalSettings, Terms
from tests.accounts.conftest import NEW


@pytest.fixture
def first(service) -> Terms:
    PortalSettings.objects.create(terms_consent="I agree to the rules")
    return terms.publish("# Be *kind*")


def _sign_in(user: User) -> Client:
    client = Client()
    client.post("/account/login/?next=/products/", {"login": user.email, "password": NEW["password1"]})
    return client


def test_terms_are_shown_and_accepted_at_sign_up(first):
    page = Client().get("/account/signup/").text
    assert "Be <em>kind</em>" in page
    assert "I agree to the rules" in page
    Client().post("/account/signup/", {**NEW, "terms": "on", "terms_version": first.pk})
    user = User.objects.get()
    assert user.accepted_terms == first
    assert user.terms_accepted_at is not None


def test_nobody_signs_up_without_accepting(first):
    answer = Client().post("/account/signup/", {**NEW, "terms_version": first.pk})
    assert "Read and accept the terms of use first." in answer.text
    assert not User.objects.exists()


def test_terms_that_changed_meanwhile_are_shown_and_not_accepted(first):
    second = terms.publish("Be kinder")
    answer = Client().post("/account/signup/", {**NEW, "terms": "on", "terms_version": first.pk})
    assert "The terms of use have changed." in answer.text
    assert f'value="{second.pk}"' in answer.text
    assert 'value="Dora"' in answer.text
    assert not User.objects.exists()


def test_optional_terms_can_be_left_unaccepted(first):
    PortalSettings.objects.update(terms_required=False)
    Client().post("/account/signup/", {**NEW, "terms_version": first.pk})
    assert User.objects.get().accepted_terms is None


def test_next_sign_in_asks_for_new_terms_before_going_on(alice, first):
    client = _sign_in(alice)
    assert client.get("/profile/").status_code == 302
    page = client.get("/account/terms/")
    assert "I agree to the rules" in page.text
    answer = client.post("/account/terms/", {"terms": "on", "terms_version": first.pk})
    assert client.get("/profile/").status_code == 200
    assert User.objects.get().accepted_terms == first
    assert answer.status_code == 302


def test_who_has_accepted_is_not_asked_again(alice, first):
    User.objects.update(accepted_terms=first)
    assert _sign_in(alice).get("/profile/").status_code == 200


def test_who_declines_is_not_signed_in(alice, first):
    client = _sign_in(alice)
    assert client.post("/account/terms/", {"decline": "1"})["Location"] == "/account/login/"
    assert client.get("/profile/").status_code == 302
    assert client.get("/account/terms/")["Location"] == "/account/login/"


def test_terms_taken_back_are_asked_of_nobody(alice, first):
    terms.publish("")
    assert _sign_in(alice).get("/profile/").status_code == 200
    assert "terms" not in Client().get("/account/signup/").text


def test_same_text_makes_no_new_version(first):
    assert terms.publish("# Be *kind*\r\n") == first
    assert Terms.objects.count() == 1
