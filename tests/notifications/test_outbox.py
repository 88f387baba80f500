"""Whatever sends a mail writes it into the outbox, with the transaction that it belongs to."""

from email import message_from_bytes, policy

import pytest
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives, get_connection, send_mail
from django.db import transaction

from notifications import outbox
from notifications.models import OutboxMail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def outbox_backend(settings):
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"


def parsed(mail: OutboxMail):
    return message_from_bytes(bytes(mail.message), policy=policy.default)


def test_a_mail_waits_with_its_envelope_and_its_bytes():
    mail = EmailMultiAlternatives(
        "Grüße", "Guten Tag", "Portal <portal@example.org>", ["Alice <alice@example.org>"], bcc=["bob@example.org"]
    )
    mail.attach_alternative("<p>Guten Tag</p>", "text/html")
    assert mail.send() == 1
    kept = OutboxMail.objects.get()
    assert (kept.state, kept.subject, kept.attempts) == (OutboxMail.State.WAITING, "Grüße", 0)
    assert (kept.sender, kept.recipients) == ("portal@example.org", ["alice@example.org", "bob@example.org"])
    message = parsed(kept)
    assert (message["Subject"], message["From"], message["Bcc"]) == ("Grüße", "Portal <portal@example.org>", None)
    assert message.get_body(("plain",)).get_content().strip() == "Guten Tag"
    assert message.get_body(("html",)).get_content().strip() == "<p>Guten Tag</p>"


def test_lines_end_as_mail_servers_want_them():
    send_mail("Hello", "one\ntwo\r\nthree\n.\nfour", "portal@example.org", ["alice@example.org"])
    raw = bytes(OutboxMail.objects.get().message)
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")


def test_the_message_id_is_the_sender_s_and_needs_no_dns():
    send_mail("Hello", "", "Portal <portal@example.org>", ["alice@example.org"])
    assert parsed(OutboxMail.objects.get())["Message-ID"].endswith("@example.org>")


def test_a_message_id_that_was_chosen_stays():
    EmailMessage("Hello", "", to=["alice@example.org"], headers={"message-id": "<mine@example.org>"}).send()
    assert parsed(OutboxMail.objects.get())["Message-ID"] == "<mine@example.org>"


def test_a_mail_goes_with_the_transaction_that_fails():
    with transaction.atomic():
        send_mail("Hello", "", None, ["alice@example.org"])
        transaction.set_rollback(True)
    assert not OutboxMail.objects.exists()


def test_a_mail_to_nobody_is_none():
    assert EmailMessage("Hello", "").send() == 0
    assert not OutboxMail.objects.exists()


INJECTIONS = [
    pytest.param({"subject": "Hello\nBcc: mallory@example.org"}, id="subject"),
    pytest.param({"subject": "Hello\r\n\r\n<script>"}, id="subject, body"),
    pytest.param({"to": ["alice@example.org\nBcc: mallory@example.org"]}, id="recipient"),
    pytest.param({"bcc": ["alice@example.org\r\nRCPT TO:<mallory@example.org>"]}, id="blind copy"),
    pytest.param({"from_email": "portal@example.org\nBcc: mallory@example.org"}, id="sender"),
    pytest.param({"reply_to": ["a@example.org\nBcc: mallory@example.org"]}, id="reply to"),
    pytest.param({"headers": {"X-Name": "Alice\nBcc: mallory@example.org"}}, id="own header"),
    pytest.param({"to": ["alice@example.org, mallory@example.org"]}, id="two addresses in one"),
]


@pytest.mark.parametrize("fields", INJECTIONS)
def test_a_header_that_brings_others_is_refused(fields):
    mail = EmailMessage(
        **{"subject": "Hello", "to": ["alice@example.org"], "from_email": "portal@example.org"} | fields
    )
    with pytest.raises((BadHeaderError, ValueError)):
        mail.send()
    assert not OutboxMail.objects.exists()


def test_failing_silently_keeps_the_other_mails():
    bad, good = EmailMessage("a\nb", to=["alice@example.org"]), EmailMessage("a", to=["alice@example.org"])
    assert get_connection(fail_silently=True).send_messages([bad, good]) == 1
    assert OutboxMail.objects.get().subject == "a"


def test_mails_have_a_bound(monkeypatch):
    monkeypatch.setattr(outbox, "MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 1000 bytes"):
        send_mail("Hello", "x" * 1000, None, ["alice@example.org"])
    with pytest.raises(ValueError, match="at most 100 recipients"):
        EmailMessage("Hello", bcc=[f"a{number}@example.org" for number in range(101)]).send()


def test_control_characters_of_the_subject_are_not_shown():
    send_mail("Hel\0lo\x1b[2J, Zoë", "", None, ["alice@example.org"])
    assert OutboxMail.objects.get().subject == "Hello[2J, Zoë"
