"""Who gets a mail about an issue."""

import pytest

from feedback import issues
from feedback.models import Issue
from notifications.models import OutboxMail
from notifications.telling import tell_new
from portalsettings.models import PortalSettings
from subscriptions.models import Product

ADMINISTRATOR, ALICE, BOB = "admin@example.org", "alice@example.org", "bob@example.org"


@pytest.fixture(autouse=True)
def outbox(settings):
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"


@pytest.fixture
def told(opened):
    """Its mails are written."""
    tell_new()
    return opened


def new_mails() -> list[tuple[str, str]]:
    seen = set(OutboxMail.objects.values_list("pk", flat=True))
    tell_new()
    mails = OutboxMail.objects.exclude(pk__in=seen).order_by("pk")
    return [(*mail.recipients, mail.subject) for mail in mails]


def test_new_issue_is_told_to_the_publisher_and_confirmed_to_its_author(proposed):
    assert new_mails() == [
        (ADMINISTRATOR, "Echo API: Echo is late"),
        (ALICE, "Your issue with Echo API was received"),
    ]


def test_comment_is_told_to_the_publisher_and_to_those_who_take_part(told, bob, mallory):
    issues.comment(told, by=bob, text="Here as well.")
    assert new_mails() == [(ADMINISTRATOR, "Echo API: Echo is late"), (ALICE, "New comment on Echo is late")]
    issues.comment(told, by=mallory, text="And here.")
    assert [mail[0] for mail in new_mails()] == [ADMINISTRATOR, ALICE, BOB]


def test_what_the_publisher_did_is_told_to_the_followers_only(told, admin_user):
    issues.comment(told, by=admin_user, text="It is mended.")
    issues.change_state(told, Issue.State.RESOLVED, by=admin_user)
    assert new_mails() == [(ALICE, "New comment on Echo is late"), (ALICE, "Echo is late: Resolved")]


def test_address_of_who_comments_is_not_told_to_other_developers(told, bob):
    bob.first_name = ""
    bob.save()
    issues.comment(told, by=bob, text="Here as well.")
    tell_new()
    mail = OutboxMail.objects.order_by("pk").last()
    assert b"bob@example.org" not in bytes(mail.message)
    assert b"A user has commented" in bytes(mail.message)


def test_who_stopped_following_hears_no_more(told, alice, admin_user):
    issues.unfollow(told, alice)
    issues.comment(told, by=admin_user, text="It is mended.")
    assert new_mails() == []


def test_comment_that_was_removed_meanwhile_is_told_to_nobody(told, bob):
    issues.remove_comment(issues.comment(told, by=bob, text="Buy our spam."))
    assert new_mails() == []


@pytest.mark.parametrize("unseen", ["the API", "the issue", "all issues"])
def test_who_does_not_see_it_any_more_hears_nothing(told, admin_user, unseen):
    issues.comment(told, by=admin_user, text="It is mended.")
    if unseen == "the API":
        Product.objects.update(state=Product.State.NOT_PUBLISHED)
    elif unseen == "the issue":
        issues.change_state(told, Issue.State.REMOVED, by=admin_user)
    else:
        PortalSettings.objects.update(issues=PortalSettings.Issues.OFF)
    assert new_mails() == []
