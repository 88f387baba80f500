"""News for many people are mailed in batches: nobody is left out, nobody gets two."""

import threading
import uuid
from email import message_from_bytes

import pytest
from django.db import connection

from accounts.models import Team, TeamMembership, User
from events.models import Event
from notifications import announcements, mailing, preferences
from notifications.catalogue import Category
from notifications.models import Mailing, OutboxMail
from notifications.set_aside import tell_again
from notifications.telling import tell_new
from subscriptions import lifecycle
from subscriptions.models import Subscription

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscribers(starter):
    """People who subscribe to the product."""

    def make(count: int) -> list[User]:
        people = User.objects.bulk_create(User(email=f"p{n}@example.org", password="!") for n in range(count))
        Subscription.objects.bulk_create(
            Subscription(display_name="Mine", owner=person, product=starter) for person in people
        )
        return people

    return make


@pytest.fixture
def announce(starter, admin_user):
    def write():
        announcements.announce(
            subject="News", body="**Hello**", api=None, product=starter, by=admin_user, form_id=uuid.uuid4()
        )
        tell_new()

    return write


def addresses() -> list[str]:
    return sorted(address for mail in OutboxMail.objects.filter(is_bulk=True) for address in mail.recipients)


def write_all() -> None:
    while Mailing.objects.filter(finished_at=None).exists():
        mailing.write_next_batch()


def test_everybody_gets_one_mail_in_several_batches(subscribers, announce, monkeypatch):
    monkeypatch.setattr(mailing, "BATCH", 3)
    people = subscribers(7)
    announce()
    assert [mailing.write_next_batch() for _ in range(4)] == [3, 3, 1, 0]
    assert addresses() == sorted(person.email for person in people)
    assert Mailing.objects.get().mails == 7


def test_only_those_who_use_an_active_subscription_and_want_news_get_it(
    subscribers, announce, starter, alice, bob, mallory, admin_user
):
    one, two, three, four = subscribers(4)
    preferences.mute(one, Category.API_NEWS)
    User.objects.filter(pk=two.pk).update(state=User.State.BLOCKED)
    suspended = Subscription.objects.get(owner=three)
    lifecycle.change_state(suspended, Subscription.State.SUSPENDED, by=admin_user)
    team = Team.objects.create(name="Weather")
    for user in (alice, bob, four):
        TeamMembership.objects.create(team=team, user=user)
    lifecycle.create(display_name="Ours", by=None, team=team, product=starter)
    announce()
    write_all()
    assert addresses() == ["alice@example.org", "bob@example.org", four.email]


class Crash(BaseException):
    """The worker's sudden end."""


def test_crash_in_a_batch_loses_and_doubles_nothing(subscribers, announce, monkeypatch):
    monkeypatch.setattr(mailing, "BATCH", 3)
    people = subscribers(7)
    announce()
    mailing.write_next_batch()
    write = OutboxMail.objects.bulk_create

    def crash_after_writing(mails):
        write(mails)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(OutboxMail.objects, "bulk_create", crash_after_writing)
        with pytest.raises(Crash):
            mailing.write_next_batch()
    assert len(addresses()) == 3
    write_all()
    assert addresses() == sorted(person.email for person in people)


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_mail_everybody_once(subscribers, announce, monkeypatch):
    monkeypatch.setattr(mailing, "BATCH", 5)
    people = subscribers(40)
    announce()
    start, failures = threading.Barrier(3), []

    def work():
        try:
            start.wait()
            for _ in range(12):
                mailing.write_next_batch()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    write_all()
    assert addresses() == sorted(person.email for person in people)


def test_address_that_takes_no_mail_does_not_stop_the_others(subscribers, announce, caplog):
    one, two = subscribers(2)
    User.objects.filter(pk=one.pk).update(email="a@example.org\nBcc: x@example.org")
    announce()
    write_all()
    assert addresses() == [two.email]
    assert "1 addresses take no mail" in caplog.text


def test_blind_copy_goes_out_once(subscribers, announce, service):
    from notifications.models import PublisherNotification

    PublisherNotification.objects.create(name="BCC", to_administrator=True)
    subscribers(3)
    announce()
    write_all()
    assert addresses().count(service.administrator_email) == 1


def test_blind_copy_says_who_got_the_mail_and_cannot_choose_his_mails(subscribers, announce, service):
    from notifications.models import PublisherNotification

    PublisherNotification.objects.create(name="BCC", to_administrator=True)
    (receiver,) = subscribers(1)
    announce()
    write_all()
    mails = {mail.recipients[0]: message_from_bytes(bytes(mail.message)) for mail in OutboxMail.objects.all()}
    own, copy = mails[receiver.email], mails[service.administrator_email]
    assert (copy["To"], copy["Subject"]) == (own["To"], own["Subject"]) == (receiver.email, own["Subject"])
    assert "/unsubscribe/" in own["List-Unsubscribe"]
    assert "/unsubscribe/" in _text_of(own)
    assert "List-Unsubscribe" not in copy
    assert "/unsubscribe/" not in _text_of(copy)


def _text_of(message) -> str:
    return "".join(part.get_payload(decode=True).decode() for part in message.walk() if not part.is_multipart())


def test_a_mailing_that_fails_holds_up_no_other_and_goes_on_where_it_was(subscribers, announce, monkeypatch, caplog):
    monkeypatch.setattr(mailing, "BATCH", 2)
    people = subscribers(3)
    announce()
    mailing.write_next_batch()
    with monkeypatch.context() as broken:
        broken.setattr(mailing, "compose", lambda *args, **kwargs: 1 / 0)
        assert [mailing.write_next_batch(), mailing.write_next_batch()] == [0, 0]
    announce()
    write_next = [mailing.write_next_batch() for _ in range(3)]
    assert write_next == [2, 1, 0]
    tell_again(Event.objects.all())
    assert mailing.write_next_batch() == 1
    assert addresses() == sorted(2 * [person.email for person in people])
