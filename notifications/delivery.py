"""Delivers the outbox: to an SMTP server, or to files where there is none.

A mail is claimed by pushing its next attempt into the future (a lease), so that two workers do not
send it at the same time, and a worker that dies does not lose it: the lease runs out. A worker that
dies between the server's acceptance and its own note of it sends the mail again; both have the same
Message-ID. Nothing can rule that out (RFC 5321, 4.1.1.4 and 6.1).
"""

import logging
import os
import re
import smtplib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from notifications import bounces, mail_server
from notifications.mail_server import MailServerError, Server
from notifications.models import OutboxMail

MAX_ATTEMPTS = 10
FIRST_RETRY = timedelta(minutes=1)
LEASE = timedelta(minutes=10)
BATCH = 100
SENT_IS_KEPT = timedelta(days=30)
_LINK = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f-\x9f]+")

State = OutboxMail.State
# Returns what the server answered to those recipients that it refused, while it took the mail for others.
Send = Callable[[OutboxMail], bounces.Answers]
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
                refused = send(mail)
            except smtplib.SMTPRecipientsRefused as error:
                _note_refusals(mail, error.recipients, error, clock())
            except Exception as error:
                _postpone(mail, error, clock())
                if isinstance(error, ServerUnreachableError):
                    break
            else:
                _note_delivery(mail, refused, clock())
                delivered += 1
    return delivered


def forget_sent(now: datetime) -> int:
    """Delete the rows of mails sent long ago."""
    deleted, _ = OutboxMail.objects.filter(state=State.SENT, sent_at__lt=now - SENT_IS_KEPT).delete()
    return deleted


def _claim(now: datetime) -> OutboxMail | None:
    """The next mail that is due, leased to this worker."""
    due = OutboxMail.objects.filter(state=State.WAITING, next_attempt_at__lte=now).order_by("is_bulk", "pk")
    while mail := due.first():
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


def _note_delivery(mail: OutboxMail, refused: bounces.Answers, now: datetime) -> None:
    """Note that the mail was taken. Recipients that were refused for now get it later, as a mail of their own."""
    final = _final(refused)
    later = [recipient for recipient in refused if recipient not in final]
    with transaction.atomic():
        # The message goes: links in it may still open an account.
        if not _own(mail).update(
            state=State.SENT, sent_at=now, message=b"", last_error="", refused={**mail.refused, **final}
        ):
            return
        for recipient, reason in final.items():
            bounces.note(recipient, reason)
        if later:
            OutboxMail.objects.create(
                message=mail.message,
                sender=mail.sender,
                recipients=later,
                subject=mail.subject,
                is_bulk=mail.is_bulk,
                attempts=mail.attempts,
                next_attempt_at=now + _wait(mail),
                last_error=_reason(refused[later[0]]),
            )
    for recipient, reason in final.items():
        logger.error("Mail %s was refused for %s: %s", mail.pk, recipient, reason)


def _note_refusals(mail: OutboxMail, refused: bounces.Answers, error: Exception, now: datetime) -> None:
    """Note that nobody gets the mail now; those who are refused for good never will."""
    final = _final(refused)
    reasons = {**mail.refused, **final}
    left = [recipient for recipient in mail.recipients if recipient not in final]
    with transaction.atomic():
        for recipient, reason in final.items():
            bounces.note(recipient, reason)
        if not left:
            reason = next(iter(final.values()), "")
            _own(mail).update(state=State.FAILED, refused=reasons, last_error=reason)
            logger.error("Mail %s was refused for all of its recipients: %s", mail.pk, reason)
            return
        if final:
            _own(mail).update(recipients=left, refused=reasons)
        _postpone(mail, error, now)


def _final(refused: bounces.Answers) -> Mapping[str, str]:
    return {
        recipient: _reason((code, answer))
        for recipient, (code, answer) in refused.items()
        if bounces.is_final(code, answer)
    }


def _reason(reply: tuple[int, bytes]) -> str:
    code, answer = reply
    return f"{code} {answer.decode('utf-8', 'replace')}".replace("\0", "")[:500]


def _wait(mail: OutboxMail) -> timedelta:
    return FIRST_RETRY * (1 << (mail.attempts - 1))


def _postpone(mail: OutboxMail, error: Exception, now: datetime) -> None:
    reason = f"{type(error).__name__}: {error}".replace("\0", "")[:500]
    if mail.attempts >= MAX_ATTEMPTS:
        _own(mail).update(state=State.FAILED, last_error=reason)
        logger.error("Mail %s given up after %s attempts: %s", mail.pk, mail.attempts, reason)
        return
    wait = _wait(mail)
    _own(mail).update(next_attempt_at=now + wait, last_error=reason)
    logger.warning("Mail %s not delivered, next attempt in %s: %s", mail.pk, wait, reason)


def _transport() -> AbstractContextManager[Send]:
    try:
        server = mail_server.current()
    except MailServerError as error:
        return _nowhere(error)
    return _smtp(server) if server is not None else _files(Path(settings.MAIL_DIR))


@contextmanager
def _nowhere(error: MailServerError) -> Iterator[Send]:
    def send(mail: OutboxMail) -> bounces.Answers:
        raise ServerUnreachableError(str(error))

    yield send


@contextmanager
def _smtp(to: Server) -> Iterator[Send]:
    """Sends by one connection, opened for the first mail."""
    server = mail_server.connection_to(to)

    def send(mail: OutboxMail) -> bounces.Answers:
        try:
            server.open()
        except OSError as error:
            raise ServerUnreachableError(str(error)) from error
        assert server.connection is not None
        try:
            return server.connection.sendmail(mail.sender, mail.recipients, bytes(mail.message))
        except smtplib.SMTPRecipientsRefused:
            # sendmail has reset the talk, and the next mail can go on with it.
            raise
        except OSError:
            # The server may have hung up with its answer (RFC 5321, 3.8).
            close()
            raise

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

    def send(mail: OutboxMail) -> bounces.Answers:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{mail.created_at:%Y%m%d-%H%M%S}-{mail.pk}.eml"
        fresh = file.with_suffix(".new")
        raw = bytes(mail.message)
        with fresh.open("wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(raw)
        fresh.replace(file)
        logger.info("Mail to %s: %s (%s)%s", ", ".join(mail.recipients), mail.subject, file, _links(raw))
        return {}

    yield send


def _links(raw: bytes) -> str:
    """The links of the mail's plain text, a line each."""
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    links = dict.fromkeys(_LINK.findall(body.get_content())) if body is not None else {}
    return "".join(f"\n    {link}" for link in links)
