"""What people hear of a product."""

from email import message_from_bytes, policy

import pytest
from django.utils import translation

from accounts.models import User
from notifications.models import OutboxMail
from subscriptions import lifecycle, offering


def test_owners_hear_that_their_subscriptions_ended_with_the_product(starter, alice, admin_user, new_mails):
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    new_mails()
    offering.delete_product(starter, by=admin_user, cancel_subscriptions=True)
    subjects = {recipient: subject for recipients, subject in new_mails() for recipient in recipients}
    assert "cancelled" in subjects["alice@example.org"]
    letter = _letter_to(alice)
    assert "The product Starter is not offered any more." in letter
    assert "administrator wrote" not in letter


@pytest.mark.parametrize("administrators", ["en", "hu", "de"])
def test_each_reads_in_his_own_language_that_the_product_is_gone(
    starter, alice, bob, admin_user, new_mails, administrators
):
    for user, language in ((alice, "de"), (bob, "")):
        User.objects.filter(pk=user.pk).update(language=language)
        lifecycle.subscribe(user=user, product=starter, display_name="Mine")
    with translation.override(administrators):
        offering.delete_product(starter, by=admin_user, cancel_subscriptions=True)
    new_mails()
    assert "Das Produkt Starter wird nicht mehr angeboten." in _letter_to(alice)
    assert "The product Starter is not offered any more." in _letter_to(bob)


def test_what_an_administrator_typed_stays_as_it_is(starter, alice, admin_user, new_mails):
    mine = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    User.objects.filter(pk=alice.pk).update(language="de")
    lifecycle.change_state(mine, "cancelled", by=admin_user, comment="Nobody pays")
    new_mails()
    assert "Nobody pays" in _letter_to(alice)


def _letter_to(user: User) -> str:
    letter = next(mail for mail in OutboxMail.objects.order_by("-pk") if mail.recipients == [user.email])
    return message_from_bytes(bytes(letter.message), policy=policy.default).get_body(("plain",)).get_content()
