"""Who is told of accounts, teams and quotas, and in which language."""

from email import message_from_bytes, policy

import pytest

from accounts import teams
from accounts.models import Team, TeamMembership, TeamRole
from apis.models import API, Operation
from events import names
from events.models import Event
from events.recording import record
from notifications import telling, texts
from notifications.catalogue import TEMPLATES
from notifications.models import OutboxMail, PublisherNotification
from notifications.rendering import Text
from notifications.set_aside import tell_again
from subscriptions import keys, lifecycle

pytestmark = pytest.mark.django_db
ADMINISTRATOR = "admin@example.org"


def test_welcome_waits_for_approval(alice, new_mails, admin_user):
    alice.state = alice.State.PENDING
    alice.save()
    record(names.USER_SIGNED_UP, by=alice, user=alice)
    record(names.USER_WAITING, by=alice, user=alice)
    assert new_mails() == [([ADMINISTRATOR], "alice@example.org asks for an account")]
    record(names.USER_APPROVED, by=admin_user, user=alice, comment="")
    assert new_mails() == [(["alice@example.org"], "Welcome to Demo & Sons")]


def test_farewell_goes_to_the_address_that_the_event_holds(alice, new_mails):
    record(names.USER_CLOSED, by=alice, user=alice, email="old@example.org", person="Alice A.")
    assert new_mails() == [
        ([ADMINISTRATOR], "old@example.org has closed the account"),
        (["old@example.org"], "Your account at Demo & Sons is closed"),
    ]


def test_what_others_do_with_one_s_place_in_a_team_is_told(alice, bob, admin_user, new_mails):
    team = teams.create(name="Crew", by=alice)
    membership = teams.add(team, bob, TeamRole.MEMBER, by=admin_user)
    teams.change_role(membership, TeamRole.OWNER, by=alice)
    teams.change_role(TeamMembership.objects.get(user=alice), TeamRole.MEMBER, by=alice)
    teams.delete(team, by=bob)
    assert new_mails() == [
        (["bob@example.org"], "You belong to the team Crew"),
        (["bob@example.org"], "Your role in the team Crew is another one"),
        (["alice@example.org"], "The team Crew is deleted"),
    ]


def test_who_joins_by_himself_gets_no_mail(alice, bob, new_mails):
    team = teams.create(name="Crew", by=alice)
    teams.add(team, bob, TeamRole.MEMBER, by=bob)
    assert new_mails() == []


def test_sign_in_from_a_new_device_is_told(alice, new_mails):
    record(names.USER_SIGNED_IN_FROM_NEW_DEVICE, by=alice, user=alice, device="Firefox", address="203.0.113.7")
    assert new_mails() == [(["alice@example.org"], "New sign-in to your account at Demo & Sons")]


def test_everybody_in_a_team_is_told_of_its_subscription(alice, bob, mallory, starter, new_mails):
    team = Team.objects.create(name="Weather")
    for user in (alice, bob):
        TeamMembership.objects.create(team=team, user=user)
    subscription = lifecycle.create(display_name="Ours", by=None, team=team, product=starter)
    new_mails()
    keys.regenerate(subscription, keys.Slot.PRIMARY, by=alice)
    assert [to for to, _ in new_mails()] == [["alice@example.org"], ["bob@example.org"]]


def test_quota_is_told_to_publisher_and_developer(alice, starter, new_mails):
    subscription = lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)
    new_mails()
    record(names.QUOTA_APPROACHING, subscription=subscription, percent=80, used=8000, quota=10000, unit="calls")
    assert new_mails() == [
        ([ADMINISTRATOR], "Alice has used 80 % of the quota for Starter"),
        (["alice@example.org"], "80 % of your quota for Starter are used"),
    ]


def test_quota_of_an_operation_is_told_with_its_name(alice, starter, new_mails):
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="https://backend.example.org")
    say = Operation.objects.create(api=api, name="say", display_name="Say", method="GET", url_template="/say")
    subscription = lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)
    new_mails()
    fields = {"subscription": subscription, "api": api, "operation": say, "used": 10, "quota": 10, "unit": "calls"}
    record(names.QUOTA_REACHED, percent=100, **fields)
    assert new_mails() == [
        ([ADMINISTRATOR], "Alice has used 100 % of the quota for Starter: Echo: Say"),
        (["alice@example.org"], "Your quota for Starter: Echo: Say is used up"),
    ]
    for mail in OutboxMail.objects.order_by("-pk")[:2]:
        message = message_from_bytes(bytes(mail.message), policy=policy.default)
        text = " ".join(message.get_body(("plain",)).get_content().split())
        assert "It is the quota for Echo: Say, which counts beside that of the whole product." in text


def test_own_text_in_the_receivers_language_counts_before_one_for_all(alice, bob, starter, new_mails):
    template = TEMPLATES["purchaseDeveloperNotificationMessage"]
    texts.save(template, "", Text("For all: {{ product }}", "b"))
    texts.save(template, "hu", Text("Magyarul: {{ product }}", "b"))
    alice.language = "hu"
    alice.save()
    for owner in (alice, bob):
        lifecycle.create(display_name="Mine", by=None, owner=owner, product=starter)
    assert [subject for _, subject in new_mails()] == ["Magyarul: Starter", "For all: Starter"]


def test_recipients_of_notification_and_blind_copies(alice, starter, new_mails):
    PublisherNotification.objects.create(name="PurchasePublisherNotificationMessage", emails="sales@example.org")
    PublisherNotification.objects.create(name="BCC", to_administrator=False, emails="copies@example.org")
    subscription = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    assert [to for to, _ in new_mails()] == [
        [ADMINISTRATOR],
        ["sales@example.org"],
        ["alice@example.org"],
        ["copies@example.org"],
    ]
    assert b"copies@example.org" not in bytes(OutboxMail.objects.latest("pk").message)
    keys.regenerate(subscription, keys.Slot.PRIMARY, by=alice)
    assert new_mails()[0][0] == ["alice@example.org"], "no copy of what protects the account"


def test_an_event_that_cannot_be_told_stays_and_holds_up_no_other(alice, new_mails, caplog):
    broken = record(names.TEAM_MEMBER_REMOVED, by=alice, user="no number")
    record(names.USER_BLOCKED, by=None, user=alice)
    assert new_mails() == [(["alice@example.org"], "Your account at Demo & Sons is blocked")]
    broken.refresh_from_db()
    assert broken.told_at is None
    assert "cannot be told" in caplog.text


def test_any_number_of_broken_events_holds_up_no_other(alice, new_mails, monkeypatch, caplog):
    monkeypatch.setattr(telling, "BATCH", 2)
    for _ in range(3):
        record(names.TEAM_MEMBER_REMOVED, by=alice, user="no number")
    record(names.USER_BLOCKED, by=None, user=alice)
    assert [new_mails(), new_mails()] == [[], [(["alice@example.org"], "Your account at Demo & Sons is blocked")]]
    assert Event.objects.set_aside().count() == 3
    assert "ValueError" in Event.objects.set_aside()[0].problem


def test_what_the_database_refuses_of_one_event_holds_up_no_other(alice, new_mails, monkeypatch, caplog):
    record(names.USER_BLOCKED, by=None, user=alice)
    with monkeypatch.context() as broken:
        broken.setattr(telling.letters, "write", lambda event: Event.objects.create(pk=event.pk, name="again"))
        assert new_mails() == []
    assert tell_again(Event.objects.all()) == 1
    assert new_mails() == [(["alice@example.org"], "Your account at Demo & Sons is blocked")]
    assert tell_again(Event.objects.all()) == 0


def test_an_administrator_is_told_in_his_own_language(alice, admin_user, starter, new_mails):
    admin_user.language = "de"
    admin_user.save()
    template = TEMPLATES["purchasePublisherNotificationMessage"]
    texts.save(template, "de", Text("Neu: {{ product }}", "Hallo {{ receiver }}"))
    row = PublisherNotification.objects.create(
        name=PublisherNotification.Name.PURCHASE, to_administrator=False, emails="Books@example.org"
    )
    row.users.add(admin_user)
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    assert new_mails()[:2] == [
        (["Books@example.org"], "New subscription to Starter"),
        (["admin@example.org"], "Neu: Starter"),
    ]
