"""What the profile shows of a subscription's use: calls today and this week."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from analytics.models import SubscriptionQuarter
from analytics.usage import usage_of
from subscriptions import lifecycle
from subscriptions.models import Product

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # A Wednesday.


@pytest.fixture
def product(db) -> Product:
    return Product.objects.create(name="starter", display_name="Starter", state=Product.State.PUBLISHED)


@pytest.fixture
def mine(alice, product):
    return lifecycle.subscribe(user=alice, product=product, display_name="Mine")


def called(subscription, *times: str, calls=1) -> None:
    for time in times:
        SubscriptionQuarter.objects.create(
            subscription_id=subscription.pk, quarter=datetime.fromisoformat(time), calls=calls, refused=1000
        )


def usage(subscription, now=NOW, zone=UTC):
    return usage_of([subscription], now, zone)[subscription.pk]


def test_a_subscription_that_was_never_used(mine):
    assert (usage(mine).today, usage(mine).this_week) == (0, 0)


@pytest.mark.parametrize(
    ("zone", "now", "in_today", "in_week_only", "in_neither"),
    [
        pytest.param(
            "UTC", "2026-03-04T12:00Z",
            ["2026-03-04T00:00Z", "2026-03-04T11:45Z"],
            ["2026-03-03T23:45Z", "2026-03-02T00:00Z"],
            ["2026-03-01T23:45Z"],
            id="UTC",
        ),
        pytest.param(
            "Asia/Kolkata", "2026-03-04T12:00Z",
            ["2026-03-03T18:30Z"], ["2026-03-03T18:15Z", "2026-03-01T18:30Z"], ["2026-03-01T18:15Z"],
            id="half an hour off",
        ),
        pytest.param(
            "Asia/Kathmandu", "2026-03-04T12:00Z",
            ["2026-03-03T18:15Z"], ["2026-03-03T18:00Z", "2026-03-01T18:15Z"], ["2026-03-01T18:00Z"],
            id="a quarter off",
        ),
        pytest.param(
            "Europe/Berlin", "2026-03-29T20:00Z",
            ["2026-03-28T23:00Z"], ["2026-03-28T22:45Z", "2026-03-22T23:00Z"], ["2026-03-22T22:45Z"],
            id="Berlin, the day on which summer time begins",
        ),
        pytest.param(
            "Europe/Berlin", "2026-03-31T12:00Z",
            ["2026-03-30T22:00Z"], ["2026-03-30T21:45Z", "2026-03-29T22:00Z"], ["2026-03-29T21:45Z"],
            id="Berlin, the week after",
        ),
        pytest.param(
            "Europe/Berlin", "2026-10-25T23:30Z",
            ["2026-10-25T23:00Z"], [], ["2026-10-25T22:45Z"],
            id="Berlin, the Monday after summer time ended",
        ),
        pytest.param(
            "America/Havana", "2026-03-08T12:00Z",
            ["2026-03-08T05:00Z"], ["2026-03-08T04:45Z", "2026-03-02T05:00Z"], ["2026-03-02T04:45Z"],
            id="a day without midnight",
        ),
        pytest.param(
            "America/Havana", "2026-11-01T05:30Z",
            ["2026-11-01T04:00Z", "2026-11-01T05:00Z"], ["2026-11-01T03:45Z"], ["2026-10-26T03:45Z"],
            id="a day with two midnights, in the second hour",
        ),
        pytest.param(
            "Pacific/Kiritimati", "2026-03-01T12:00Z",
            ["2026-03-01T10:00Z"], [], ["2026-03-01T09:45Z"],
            id="Monday there, Sunday in UTC",
        ),
    ],
)  # fmt: skip
def test_days_and_weeks_begin_as_they_do_in_the_time_zone(mine, zone, now, in_today, in_week_only, in_neither):
    called(mine, *in_today, calls=1)
    called(mine, *in_week_only, calls=10)
    called(mine, *in_neither, calls=100)
    seen = usage(mine, datetime.fromisoformat(now), ZoneInfo(zone))
    assert seen.today == len(in_today)
    assert seen.this_week == len(in_today) + 10 * len(in_week_only)


def test_many_subscriptions_take_one_query(alice, product, django_assert_num_queries):
    many = [lifecycle.subscribe(user=alice, product=product, display_name=f"No. {n}") for n in range(20)]
    for number, subscription in enumerate(many):
        called(subscription, "2026-03-04T08:00Z", calls=number + 1)
    with django_assert_num_queries(1):
        seen = usage_of(many, NOW, UTC)
    assert [seen[subscription.pk].today for subscription in many] == list(range(1, 21))


def test_no_subscriptions_have_no_usage(db):
    assert usage_of([], NOW, UTC) == {}
