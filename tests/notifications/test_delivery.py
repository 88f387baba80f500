"""Mail leaves the outbox once, is tried again, and is given up in the end."""

import logging
import os
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.utils import timezone

from notifications import delivery
from notifications.delivery import LEASE, MAX_ATTEMPTS, deliver_due, forget_sent
from notifications.models import BouncedAddress, MailServer, OutboxMail
from notifications.outbox import send_again
from tests.notifications import smtp_server

pytestmark = pytest.mark.django_db
State = OutboxMail.State
LINK = "http://127.0.0.1:8000/account/confirm-email/abc:def/"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"
    settings.MAIL_DELIVERY = "file"
    settings.MAIL_DIR = tmp_path / "mail"
    return settings.MAIL_DIR


@pytest.fixture
def smtp(settings):
    with smtp_server.serving() as mailbox:
        settings.MAIL_DELIVERY = "smtp"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mailbox.port
        yield mailbox


@pytest.fixture
def nobody_listens(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.MAIL_DELIVERY = "smtp"
        settings.EMAIL_HOST, settings.EMAIL_PORT = taken.getsockname()
        yield


def write(subject="Hello", to=("alice@example.org",), body=f"Confirm here:\n\n{LINK}\n") -> OutboxMail:
    mail = EmailMultiAlternatives(subject, body, "portal@example.org", to)
    mail.attach_alternative("<p>Confirm</p>", "text/html")
    mail.send()
    return OutboxMail.objects.latest("pk")


def clock_at(moment: datetime):
    return lambda: moment


def test_a_mail_becomes_a_file_that_only_its_owner_reads(folder):
    mail = write()
    raw = bytes(mail.message)
    assert deliver_due() == 1
    [file] = folder.iterdir()
    assert file.name == f"{mail.created_at:%Y%m%d-%H%M%S}-{mail.pk}.eml"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (raw, 0o600)
    assert deliver_due() == 0


def test_the_log_shows_recipient_subject_and_links(caplog):
    caplog.set_level(logging.INFO, "notifications.delivery")
    write("Please confirm", body=f"Confirm here:\n{LINK}\x1b[2J\n")
    deliver_due()
    line = caplog.messages[-1]
    assert "alice@example.org" in line
    assert "Please confirm" in line
    assert line.splitlines()[1:] == [f"    {LINK}"]


def test_a_sent_mail_keeps_no_message(folder):
    write()
    deliver_due()
    mail = OutboxMail.objects.get()
    assert (mail.state, bytes(mail.message), mail.attempts) == (State.SENT, b"", 1)
    assert mail.sent_at is not None


def test_mails_go_by_one_connection_with_all_recipients(smtp):
    first, second = write(to=["alice@example.org", "bob@example.org"], body=".\n..dots\n"), write("Second")
    raw = [bytes(first.message), bytes(second.message)]
    assert deliver_due() == 2
    assert smtp.connections == 1
    assert smtp.mails == [
        ("portal@example.org", ["alice@example.org", "bob@example.org"], raw[0]),
        ("portal@example.org", ["alice@example.org"], raw[1]),
    ]


def test_a_refused_mail_does_not_hold_up_the_others(smtp, caplog):
    smtp.refused["RCPT TO bob@example.org"] = "450 greylisted, come back later"
    refused, accepted = write(to=["bob@example.org"]), write()
    assert deliver_due() == 1
    refused.refresh_from_db()
    accepted.refresh_from_db()
    assert (refused.state, accepted.state) == (State.WAITING, State.SENT)
    assert "greylisted" in refused.last_error
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]


def test_a_mail_that_some_recipients_get_is_sent_and_the_others_are_marked(smtp, caplog):
    smtp.refused["RCPT TO bob@example.org"] = "550 no such user"
    write(to=["alice@example.org", "bob@example.org"])
    assert deliver_due() == 1
    assert "no such user" in caplog.text
    mail = OutboxMail.objects.get()
    assert (mail.state, mail.refused) == (State.SENT, {"bob@example.org": "550 no such user"})
    assert BouncedAddress.objects.get().email == "bob@example.org"


def test_recipients_that_are_refused_for_now_get_it_later(smtp):
    smtp.refused["RCPT TO bob@example.org"] = "450 greylisted"
    write(to=["alice@example.org", "bob@example.org"])
    assert deliver_due() == 1
    smtp.refused.clear()
    assert deliver_due(clock_at(timezone.now() + timedelta(hours=1))) == 1
    assert [recipients for _, recipients, _ in smtp.mails] == [["alice@example.org"], ["bob@example.org"]]
    assert smtp.mails[0][2] == smtp.mails[1][2]
    assert not BouncedAddress.objects.exists()


def test_a_mail_that_is_refused_for_all_fails_at_once_and_can_be_sent_again(smtp):
    smtp.refused["RCPT TO bob@example.org"] = "550 5.1.1 no such user"
    mail = write(to=["bob@example.org"])
    assert deliver_due() == 0
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.last_error) == (State.FAILED, 1, "550 5.1.1 no such user")
    smtp.refused.clear()
    assert send_again(OutboxMail.objects.all()) == 1
    assert deliver_due() == 1


def test_a_server_that_refuses_to_relay_marks_no_address(smtp):
    smtp.refused["RCPT TO bob@example.org"] = "554 5.7.1 relay access denied"
    mail = write(to=["bob@example.org"])
    deliver_due()
    mail.refresh_from_db()
    assert mail.state == State.WAITING
    assert not BouncedAddress.objects.exists()


def test_a_refused_recipient_does_not_end_the_talk(smtp):
    smtp.refused["RCPT TO bob@example.org"] = "550 no such user"
    write(to=["bob@example.org"])
    write("Second")
    assert deliver_due() == 1
    assert smtp.connections == 1


def test_bulk_lets_all_others_pass(smtp):
    bulk = write("Bulk")
    write("Urgent")
    OutboxMail.objects.filter(pk=bulk.pk).update(is_bulk=True)
    deliver_due()
    assert [b"Urgent" in body for _, _, body in smtp.mails] == [True, False]


def test_mails_go_by_the_server_of_the_administration(smtp, settings):
    settings.MAIL_DELIVERY = "file"
    MailServer.objects.create(host="127.0.0.1", port=smtp.port, security="none", sender="P <p@example.com>")
    EmailMultiAlternatives("Hello", "b", to=["alice@example.org"]).send()
    assert deliver_due() == 1
    assert smtp.mails[0][0] == "p@example.com"


def test_a_password_that_cannot_be_opened_holds_mails_back(db):
    MailServer.objects.create(host="127.0.0.1", port=1, security="none", sealed_password="other")
    mail = write()
    assert deliver_due() == 0
    mail.refresh_from_db()
    assert mail.state == State.WAITING
    assert "KEY_ENCRYPTION_KEY" in mail.last_error


def test_a_connection_that_breaks_is_opened_again(smtp):
    smtp.refused["MAIL FROM portal@example.org"] = "421 closing"
    write()
    write()
    deliver_due()
    smtp.refused.clear()
    assert smtp.connections == 2
    assert deliver_due(clock_at(timezone.now() + timedelta(hours=1))) == 2


def test_an_unreachable_server_is_tried_once_in_a_run(nobody_listens):
    first, second = write(), write()
    assert deliver_due() == 0
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.attempts, second.attempts) == (1, 0)
    assert "Connection refused" in first.last_error


def test_attempts_grow_rarer_and_end(nobody_listens, caplog):
    mail, now, waits = write(), timezone.now(), []
    for _ in range(MAX_ATTEMPTS):
        deliver_due(clock_at(now))
        mail.refresh_from_db()
        waits.append((mail.next_attempt_at - now) / timedelta(minutes=1))
        deliver_due(clock_at(mail.next_attempt_at - timedelta(seconds=1)))
        now = mail.next_attempt_at
    assert waits[:-1] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (mail.state, mail.attempts) == (State.FAILED, MAX_ATTEMPTS)
    assert [entry.levelname for entry in caplog.records] == ["WARNING"] * (MAX_ATTEMPTS - 1) + ["ERROR"]
    assert deliver_due(clock_at(now + timedelta(days=9))) == 0


def test_a_failed_attempt_names_no_password(smtp, settings, caplog):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "very-secret-password"
    mail = write()
    assert deliver_due() == 0
    mail.refresh_from_db()
    assert "very-secret" not in mail.last_error + caplog.text


class Crash(BaseException):
    """The worker's sudden end."""


def crash(*_, **__):
    raise Crash


def test_a_worker_that_dies_while_sending_does_not_lose_the_mail(folder, monkeypatch):
    write()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", crash)
        with pytest.raises(Crash):
            deliver_due()
    assert deliver_due() == 0, "the lease still runs"
    assert deliver_due(clock_at(timezone.now() + LEASE)) == 1
    assert len(list(folder.glob("*.eml"))) == 1


def test_a_worker_that_dies_before_it_notes_the_delivery_repeats_the_same_message(smtp, monkeypatch):
    write()
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_own", _crash_at_second_call())
        with pytest.raises(Crash):
            deliver_due()
    assert deliver_due(clock_at(timezone.now() + LEASE)) == 1
    assert len(smtp.mails) == 2
    assert smtp.mails[0] == smtp.mails[1]


def _crash_at_second_call():
    calls, own = [], delivery._own

    def counted(mail):
        calls.append(mail)
        return own(mail) if len(calls) == 1 else crash()

    return counted


def test_a_mail_that_kills_each_worker_is_given_up(caplog):
    mail = write()
    OutboxMail.objects.update(attempts=MAX_ATTEMPTS)
    assert deliver_due() == 0
    mail.refresh_from_db()
    assert mail.state == State.FAILED
    assert "cut off" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_send_each_mail_once(smtp):
    for number in range(40):
        write(f"No. {number}")
    start, failures = threading.Barrier(4), []

    def work():
        try:
            start.wait()
            deliver_due()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert len(smtp.mails) == len({body for _, _, body in smtp.mails}) == 40
    assert set(OutboxMail.objects.values_list("state", "attempts")) == {(State.SENT, 1)}


def test_sent_mails_are_forgotten_after_a_month(folder):
    write()
    deliver_due(clock_at(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=3650)))
    write("Waiting")
    sent_at = OutboxMail.objects.get(state=State.SENT).sent_at
    assert forget_sent(sent_at + timedelta(days=30)) == 0
    assert forget_sent(sent_at + timedelta(days=30, seconds=1)) == 1
    assert OutboxMail.objects.get().subject == "Waiting"
