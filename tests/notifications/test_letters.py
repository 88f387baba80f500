"""Each event is told once, to those whom it concerns."""

import threading
from email import message_from_bytes, policy

import pytest
from django.db import connection, transaction
from django.urls import reverse

from events.models import Event
from notifications import letters
from notifications.models import OutboxMail
from notifications.telling import tell_new
from service.models import Service
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription

pytestmark = pytest.mark.django_db
State = Subscription.State
ADMINISTRATOR, ALICE = "admin@example.org", "alice@example.org"


@pytest.fixture(autouse=True)
def service(settings, db) -> Service:
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"
    return Service.objects.create(pk=1, name="demo", organization_name="Demo & Sons", administrator_email=ADMINISTRATOR)


@pytest.fixture
def make_product():
    def make(display_name="Starter", **fields) -> Product:
        return Product.objects.create(name="p", display_name=display_name, state=Product.State.PUBLISHED, **fields)

    return make


def new_mails() -> list[tuple[str, str]]:
    """Recipient and subject of the mails that are written now."""
    seen = set(OutboxMail.objects.values_list("pk", flat=True))
    tell_new()
    mails = OutboxMail.objects.exclude(pk__in=seen).order_by("pk")
    return [(*mail.recipients, mail.subject) for mail in mails]


def read(mail: OutboxMail, kind: str) -> str:
    message = message_from_bytes(bytes(mail.message), policy=policy.default)
    return message.get_body((kind,)).get_content()


def test_a_request_is_announced_to_both_and_its_approval_to_the_developer(alice, admin_user, make_product):
    product = make_product(approval_required=True)
    subscription = lifecycle.subscribe(user=alice, product=product, display_name="Mine")
    assert new_mails() == [
        (ADMINISTRATOR, "Subscription request for Starter"),
        (ALICE, "Your request for Starter was received"),
    ]
    lifecycle.change_state(subscription, State.ACTIVE, by=admin_user)
    assert new_mails() == [(ALICE, "Your subscription to Starter is active")]


def test_a_new_subscription_is_announced_to_both(alice, make_product):
    lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    assert new_mails() == [
        (ADMINISTRATOR, "New subscription to Starter"),
        (ALICE, "Your subscription to Starter is active"),
    ]


@pytest.mark.parametrize(
    ("steps", "subject"),
    [
        pytest.param([State.SUSPENDED], "Your subscription to Starter is suspended", id="suspended"),
        pytest.param([State.SUSPENDED, State.ACTIVE], "Your subscription to Starter is active again", id="resumed"),
        pytest.param([State.CANCELLED], "Your subscription to Starter is cancelled", id="cancelled"),
        pytest.param([State.EXPIRED], "Your subscription to Starter has expired", id="expired"),
    ],
)
def test_later_steps_are_announced_to_the_developer(alice, admin_user, make_product, steps, subject):
    subscription = lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    for step in steps[:-1]:
        lifecycle.change_state(subscription, step, by=admin_user)
    tell_new()
    lifecycle.change_state(subscription, steps[-1], by=admin_user, comment="Ask <Bob>.")
    assert new_mails() == [(ALICE, subject)]


def test_a_declined_request_tells_why(alice, admin_user, make_product):
    subscription = lifecycle.subscribe(user=alice, product=make_product(approval_required=True), display_name="Mine")
    tell_new()
    lifecycle.change_state(subscription, State.REJECTED, by=admin_user, comment="Ask <Bob> & Co.")
    assert new_mails() == [(ALICE, "Your request for Starter was declined")]
    mail = OutboxMail.objects.latest("pk")
    assert "Ask <Bob> & Co." in read(mail, "plain")
    assert "Ask &lt;Bob&gt; &amp; Co." in read(mail, "html")


def test_what_a_publisher_makes_is_announced_to_the_developer_alone(alice, admin_user, make_product):
    lifecycle.create(display_name="Mine", by=admin_user, owner=alice, product=make_product())
    assert new_mails() == [(ALICE, "Your subscription to Starter is active")]


def test_a_subscription_without_owner_is_announced_to_nobody(admin_user, make_product):
    lifecycle.create(display_name="Nobody's", by=admin_user, product=make_product())
    assert new_mails() == []
    assert not Event.objects.filter(told_at=None).exists()


def test_links_lead_to_the_request_and_to_the_subscription(alice, make_product, settings):
    settings.PORTAL_URL = "https://portal.example.org"
    product = make_product(approval_required=True)
    subscription = lifecycle.subscribe(user=alice, product=product, display_name="Mine")
    tell_new()
    to_administrator, to_alice = OutboxMail.objects.order_by("pk")
    steps = [reverse("admin:subscriptions_subscription_step", args=[name]) for name in ("approve", "reject")]
    own = reverse("portal:subscription", args=[subscription.pk])
    for kind in ("plain", "html"):
        for step in steps:
            assert f"https://portal.example.org{step}?id={subscription.pk}" in read(to_administrator, kind)
        assert f"https://portal.example.org{own}" in read(to_alice, kind)


def test_names_that_people_chose_stay_text(alice, make_product):
    alice.first_name, alice.last_name = "<b>Alice</b>", "{{ settings.SECRET_KEY }}"
    alice.save()
    lifecycle.subscribe(user=alice, product=make_product("A & <i>B</i>"), display_name='<script>"1"</script>')
    assert new_mails()[0] == (ADMINISTRATOR, "New subscription to A & <i>B</i>")
    for mail in OutboxMail.objects.all():
        assert '<script>"1"</script>' in read(mail, "plain")
        html = read(mail, "html")
        assert "&lt;b&gt;Alice&lt;/b&gt; {{ settings.SECRET_KEY }}" in html
        assert "Demo &amp; Sons" in html
        assert not any(tag in html for tag in ("<script>", "<i>", "<b>"))


def test_a_line_break_in_a_name_does_not_reach_the_headers(alice, make_product):
    lifecycle.subscribe(user=alice, product=make_product("A\r\nBcc: mallory@example.org"), display_name="Mine")
    tell_new()
    for mail in OutboxMail.objects.all():
        assert message_from_bytes(bytes(mail.message))["Bcc"] is None
        assert "mallory@example.org" not in mail.recipients


def test_an_address_that_takes_no_mail_is_logged_and_the_others_get_theirs(alice, make_product, service, caplog):
    service.administrator_email = "admin@example.org\nBcc: mallory@example.org"
    service.save()
    lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    assert new_mails() == [(ALICE, "Your subscription to Starter is active")]
    assert "purchasePublisherNotificationMessage" in caplog.text
    assert new_mails() == []


def test_without_a_service_only_developers_are_told(alice, make_product, service):
    service.delete()
    lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    assert new_mails() == [(ALICE, "Your subscription to Starter is active")]


def test_a_request_that_fails_is_not_announced(alice, make_product):
    product = make_product()
    with transaction.atomic():
        lifecycle.subscribe(user=alice, product=product, display_name="Mine")
        transaction.set_rollback(True)
    assert new_mails() == []


class Crash(BaseException):
    """The worker's sudden end."""


@pytest.mark.parametrize("nth", [1, 2])
def test_a_crash_between_two_mails_of_an_event_announces_it_once(alice, make_product, monkeypatch, nth):
    made, compose = [], letters.compose

    def crash_at_nth(*arguments, **named):
        made.append(arguments)
        if len(made) == nth:
            raise Crash
        return compose(*arguments, **named)

    lifecycle.subscribe(user=alice, product=make_product(), display_name="Mine")
    with monkeypatch.context() as patch:
        patch.setattr(letters, "compose", crash_at_nth)
        with pytest.raises(Crash):
            tell_new()
    assert not OutboxMail.objects.exists()
    assert len(new_mails()) == 2
    assert new_mails() == []


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_announce_each_event_once(alice, make_product):
    product = make_product()
    for number in range(10):
        lifecycle.subscribe(user=alice, product=product, display_name=f"No. {number}")
    start, told = threading.Barrier(3), []

    def work():
        try:
            start.wait()
            told.append(tell_new())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(told) == 10
    assert OutboxMail.objects.count() == 20
