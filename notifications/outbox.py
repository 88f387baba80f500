"""Django's mail backend: whatever sends a mail writes it here, in its own transaction."""

from collections.abc import Iterable, Sequence
from email.utils import make_msgid, parseaddr

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import sanitize_address
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from notifications import mail_server
from notifications.models import OutboxMail

MAX_MESSAGE_BYTES = 10 * 2**20
MAX_RECIPIENTS = 100
ENCODING = "utf-8"


class OutboxBackend(BaseEmailBackend):
    """Keeps mails as rows of the outbox, from which the worker sends them.

    Raises BadHeaderError or ValueError for a mail that cannot be sent, such as one with a line
    break in a header.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        mails = rows_of(email_messages, skip_unfit=self.fail_silently)
        OutboxMail.objects.bulk_create(mails)
        return len(mails)


def rows_of(messages: Iterable[EmailMessage], *, skip_unfit: bool = False) -> list[OutboxMail]:
    """The messages as rows that are not saved yet. Raises BadHeaderError or ValueError, or leaves out what is unfit."""
    mails = []
    for message in messages:
        try:
            if message.recipients():
                mails.append(_mail(message))
        except (BadHeaderError, ValueError):
            if not skip_unfit:
                raise
    return mails


def write_and_drop(message: EmailMessage) -> None:
    """Take the time that a mail takes, and send none: how long a request lasts must not tell who has an account."""
    with transaction.atomic():
        for mail in rows_of([message]):
            mail.save()
            mail.delete()


def send_again(mails: QuerySet[OutboxMail]) -> int:
    """Put those that failed back into the queue; returns how many. Others wait already, or have arrived."""
    return mails.filter(state=OutboxMail.State.FAILED).update(
        state=OutboxMail.State.WAITING, attempts=0, next_attempt_at=timezone.now(), last_error=""
    )


def _mail(message: EmailMessage) -> OutboxMail:
    recipients = [bare_address(recipient) for recipient in message.recipients()]
    if len(recipients) > MAX_RECIPIENTS:
        raise ValueError(f"A mail has at most {MAX_RECIPIENTS} recipients, this one has {len(recipients)}.")
    if message.from_email == settings.DEFAULT_FROM_EMAIL:
        message.from_email = mail_server.sender()
    sender = bare_address(message.from_email)
    if not any(name.lower() == "message-id" for name in message.extra_headers):
        # Django would ask the DNS for this host's name, and the sender's domain is what spam filters expect.
        message.extra_headers["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or "localhost")
    raw = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own class has it.
    if len(raw) > MAX_MESSAGE_BYTES:
        raise ValueError(f"A mail has at most {MAX_MESSAGE_BYTES} bytes, this one has {len(raw)}.")
    return OutboxMail(
        message=raw,
        sender=sender,
        recipients=recipients,
        is_bulk=getattr(message, "is_bulk", False),
        # Lists and logs show it: no NUL, which PostgreSQL does not take, and nothing that moves a terminal.
        subject="".join(filter(str.isprintable, str(message.subject)))[:998],
    )


def bare_address(address: str) -> str:
    """What goes into the envelope: `alice@example.org` of `Alice <alice@example.org>`."""
    return parseaddr(sanitize_address(address, ENCODING))[1]
