"""Delivers the outbox: to an SMTP server, or to files where there is none.

A mail is claimed by pushing its next attempt into the future (a lease), so that two workers do not
send it at the same time, and a worker that dies does not lose it: the lease runs out. A worker that
dies between the server's acceptance and its own note of it sends the mail again; both have the same
Message-ID. Nothing can rule that out (RFC 5321, 4.1.1.4 and 6.1).
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend
from django.db.models import F, QuerySet
from django.utils import timezone

from notifications.models import OutboxMail

MAX_ATTEMPTS = 10
FIRST_RETRY = timedelta(minutes=1)
LEASE = timedelta(minutes=10)
BATCH = 100
SENT_IS_KEPT = timedelta(days=30)
_LINK = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f-\x9f]+")

State = OutboxMail.State
Send = Callable[[OutboxMail], None]
logger = logging.getLogger(__name__)


class ServerUnreachableError(OSError):
    """The mail server cannot be used at all, so that trying the next mail makes no sense."""


def deliver_due(clock: Callable[[], datetime] = timezone.now) -> int:
    """Try what is due, at most BATCH mails; returns how many were delivered."""
    delivered = 0
    with _transport() as send:
        for _ in range(BATCH):
            mail = _claim(clock())
            if mail is None:
                break
            try:
                send(mail)
            except Exception as error:
                _postpone(mail, error, clock())
                if isinstance(error, ServerUnreachableError):
                    break
            else:
                # The message goes: links in it may still open an account.
                _own(mail).update(state=State.SENT, sent_at=clock(), message=b"", last_error="")
                delivered += 1
    return delivered


def forget_sent(now: datetime) -> int:
    """Delete the rows of mails sent long ago."""
    deleted, _ = OutboxMail.objects.filter(state=State.SENT, sent_at__lt=now - SENT_IS_KEPT).delete()
    return deleted


def _claim(now: datetime) -> OutboxMail | None:
    """The next mail that is due, leased to this worker."""
    while mail := OutboxMail.objects.filter(state=State.WAITING, next_attempt_at__lte=now).order_by("pk").first():
        if mail.attempts >= MAX_ATTEMPTS:
            # Each attempt ended with the worker's death, before it could note the failure.
            _own(mail).update(state=State.FAILED)
            logger.error("Mail %s given up: %s attempts were cut off", mail.pk, mail.attempts)
        elif _own(mail).update(attempts=F("attempts") + 1, next_attempt_at=now + LEASE):
            mail.attempts += 1
            return mail
    return None


def _own(mail: OutboxMail) -> QuerySet[OutboxMail]:
    """The mail, as long as no other worker has claimed it since."""
    return OutboxMail.objects.filter(pk=mail.pk, state=State.WAITING, attempts=mail.attempts)


def _postpone(mail: OutboxMail, error: Exception, now: datetime) -> None:
    reason = f"{type(error).__name__}: {error}".replace("\0", "")[:500]
    if mail.attempts >= MAX_ATTEMPTS:
        _own(mail).update(state=State.FAILED, last_error=reason)
        logger.error("Mail %s given up after %s attempts: %s", mail.pk, mail.attempts, reason)
        return
    wait = FIRST_RETRY * 2 ** (mail.attempts - 1)
    _own(mail).update(next_attempt_at=now + wait, last_error=reason)
    logger.warning("Mail %s not delivered, next attempt in %s: %s", mail.pk, wait, reason)


def _transport() -> AbstractContextManager[Send]:
    return _smtp() if settings.MAIL_DELIVERY == "smtp" else _files(Path(settings.MAIL_DIR))


@contextmanager
def _smtp() -> Iterator[Send]:
    """Sends by the server of the settings; one connection, opened for the first mail."""
    server = SMTPBackend()

    def send(mail: OutboxMail) -> None:
        try:
            server.open()
        except OSError as error:
            raise ServerUnreachableError(str(error)) from error
        assert server.connection is not None
        try:
            refused = server.connection.sendmail(mail.sender, mail.recipients, bytes(mail.message))
        except OSError:
            # The server may have hung up with its answer (RFC 5321, 3.8).
            close()
            raise
        if refused:
            logger.error("Mail %s was not accepted for some of its recipients: %s", mail.pk, refused)

    def close() -> None:
        with suppress(OSError):
            server.close()
        server.connection = None

    try:
        yield send
    finally:
        close()


@contextmanager
def _files(folder: Path) -> Iterator[Send]:
    """Writes each mail into a file and tells the log what a reader of it would act on."""

    def send(mail: OutboxMail) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{mail.created_at:%Y%m%d-%H%M%S}-{mail.pk}.eml"
        fresh = file.with_suffix(".new")
        raw = bytes(mail.message)
        with fresh.open("wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(raw)
        fresh.replace(file)
        logger.info("Mail to %s: %s (%s)%s", ", ".join(mail.recipients), mail.subject, file, _links(raw))

    yield send


def _links(raw: bytes) -> str:
    """The links of the mail's plain text, a line each."""
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    links = dict.fromkeys(_LINK.findall(body.get_content())) if body is not None else {}
    return "".join(f"\n    {link}" for link in links)
