"""What people hear of a product."""

from email import message_from_bytes, policy

from notifications.models import OutboxMail
from subscriptions import lifecycle, offering


def test_owners_hear_that_their_subscriptions_ended_with_the_product(starter, alice, admin_user, new_mails):
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    new_mails()
    offering.delete_product(starter, by=admin_user, cancel_subscriptions=True)
    subjects = {recipient: subject for recipients, subject in new_mails() for recipient in recipients}
    assert "cancelled" in subjects["alice@example.org"]
    letter = next(mail for mail in OutboxMail.objects.order_by("-pk") if mail.recipients == ["alice@example.org"])
    text = message_from_bytes(bytes(letter.message), policy=policy.default).get_body(("plain",)).get_content()
    assert "The product Starter is not offered any more." in text
