"""Owners are told of an expiry in time, and once at each moment for it."""

from datetime import UTC, datetime, timedelta

import pytest

from events import names
from events.models import Event
from subscriptions import lifecycle
from subscriptions.models import ExpiryNotice
from subscriptions.notices import give_notice

EXPIRY = datetime(2030, 6, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def expiring(alice):
    return lifecycle.create(display_name="Hers", by=None, owner=alice, expires_at=EXPIRY)


def told() -> list[int]:
    """The days that were left, of each notice."""
    return [event.data["days_left"] for event in Event.objects.filter(name=names.SUBSCRIPTION_EXPIRING)]


def test_notices_are_given_30_7_and_1_days_before(expiring, alice):
    for days in range(40, -1, -1):
        give_notice(EXPIRY - timedelta(days=days))
    assert told() == [30, 7, 1]
    event = Event.objects.filter(name=names.SUBSCRIPTION_EXPIRING).first()
    assert (event.data["owner"], event.data["subscription"]) == (alice.pk, str(expiring.pk))


def test_a_notice_is_given_to_the_second(expiring):
    moment = EXPIRY - timedelta(days=7)
    ExpiryNotice.objects.create(subscription=expiring, moment=EXPIRY - timedelta(days=30))
    assert [give_notice(moment - timedelta(seconds=1)), give_notice(moment), give_notice(moment)] == [0, 1, 0]


def test_after_a_long_pause_only_the_last_notice_is_given(expiring):
    assert give_notice(EXPIRY - timedelta(hours=2)) == 1
    assert told() == [1]


def test_the_worker_that_comes_some_seconds_late_tells_the_days_as_they_were(expiring):
    for days in (30, 7, 1):
        give_notice(EXPIRY - timedelta(days=days) + timedelta(seconds=20))
    assert told() == [30, 7, 1]


def test_the_notice_date_is_a_moment_of_its_own(expiring):
    notice = EXPIRY - timedelta(days=60)
    lifecycle.change_dates(expiring, expires_at=EXPIRY, notice_at=notice, by=None)
    assert [give_notice(notice - timedelta(seconds=1)), give_notice(notice), give_notice(EXPIRY)] == [0, 1, 0]
    assert told() == [60]


def test_another_expiry_date_has_notices_of_its_own(expiring):
    give_notice(EXPIRY - timedelta(days=1))
    later = EXPIRY + timedelta(days=365)
    lifecycle.change_dates(expiring, expires_at=later, notice_at=None, by=None)
    assert give_notice(EXPIRY) == 0
    assert give_notice(later - timedelta(days=30)) == 1


def test_what_is_not_active_gets_no_notice(expiring):
    lifecycle.change_state(expiring, lifecycle.State.SUSPENDED, by=None)
    assert give_notice(EXPIRY - timedelta(days=1)) == 0
