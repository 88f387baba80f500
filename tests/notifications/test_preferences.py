"""A person chooses his mails; what protects the account is always sent."""

from email import message_from_bytes, policy

import pytest
from django.test import Client

from events import names
from events.recording import record
from notifications import bounces, preferences
from notifications.catalogue import Category
from notifications.models import BouncedAddress, MutedCategory, OutboxMail
from subscriptions import keys, lifecycle

pytestmark = pytest.mark.django_db
PAGE = "/profile/notifications/"


@pytest.fixture
def expiring(alice, starter, new_mails):
    """Notes that alice's subscription is about to expire."""
    subscription = lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)
    new_mails()
    return lambda: record(names.SUBSCRIPTION_EXPIRING, subscription=subscription, days_left=7)


def last_message():
    return message_from_bytes(bytes(OutboxMail.objects.latest("pk").message), policy=policy.default)


def test_choice_is_saved_and_obeyed(alice, signed_in, expiring, new_mails):
    signed_in(alice).post(PAGE, {"wanted": [Category.QUOTA]})
    assert preferences.muted_by(alice) == {Category.EXPIRY, Category.API_NEWS, Category.DISCUSSION}
    expiring()
    assert new_mails() == []
    signed_in(alice).post(PAGE, {"wanted": [Category.EXPIRY]})
    expiring()
    assert len(new_mails()) == 1


def test_security_cannot_be_turned_off(alice, starter, new_mails):
    MutedCategory.objects.create(user=alice, category=Category.SECURITY)
    subscription = lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)
    new_mails()
    keys.regenerate(subscription, keys.Slot.PRIMARY, by=alice)
    assert new_mails() == [(["alice@example.org"], "A key of your subscription to Starter is new")]
    assert last_message()["List-Unsubscribe"] is None


def test_page_needs_a_sign_in_and_shows_what_is_fixed(service, alice, signed_in):
    assert Client().get(PAGE).status_code == 302
    page = signed_in(alice).get(PAGE).content.decode()
    assert "Security of the account" in page
    assert page.count("checked") == 4


def test_link_in_the_mail_asks_first_and_stops_by_a_button(expiring, new_mails, alice):
    expiring()
    new_mails()
    url = last_message()["List-Unsubscribe"].strip(" <>").removeprefix("https://portal.example.org")
    assert url in last_message().get_body(("plain",)).get_content().replace("=\n", "")
    assert Client().get(url).status_code == 200
    assert preferences.muted_by(alice) == set()
    assert Client().post(url).status_code == 200
    assert preferences.muted_by(alice) == {Category.EXPIRY}
    expiring()
    assert new_mails() == []


def test_mail_program_stops_it_by_one_click_without_a_form_of_ours(expiring, new_mails, alice):
    expiring()
    new_mails()
    message = last_message()
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = message["List-Unsubscribe"].strip(" <>").removeprefix("https://portal.example.org")
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(url, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert preferences.muted_by(alice) == {Category.EXPIRY}


@pytest.mark.parametrize("token", ["x", "WzEsInF1b3RhIl0:x:y", "%00"])
def test_token_that_we_did_not_make_is_not_found(service, token):
    assert Client().get(f"/unsubscribe/{token}/").status_code == 404
    assert Client().post(f"/unsubscribe/{token}/").status_code == 404


def test_token_of_a_fixed_category_stops_nothing(service, alice):
    token = preferences.unsubscribe_token(alice, Category.SECURITY)
    assert Client().post(f"/unsubscribe/{token}/").status_code == 404


def test_bounced_address_gets_no_optional_mails_until_it_is_confirmed(alice, expiring, new_mails, signed_in):
    bounces.note("Alice@Example.org", "550 no such user")
    expiring()
    assert new_mails() == []
    assert "was refused by its mail server" in signed_in(alice).get(PAGE).content.decode()
    bounces.forget(alice.email)
    assert not BouncedAddress.objects.exists()
    expiring()
    assert len(new_mails()) == 1
