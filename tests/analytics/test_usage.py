"""What the profile shows of a subscription's use: today, this week, what is left."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from analytics.models import QuotaUse, SubscriptionQuarter
from analytics.usage import usage_of
from gateway.configuration.snapshot import RateLimit
from policies.models import ProductPolicy
from subscriptions import lifecycle
from subscriptions.models import Product

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # A Wednesday.
WEEK = 7 * 24 * 3600
POLICY = """
<policies>
  <inbound>
    <rate-limit calls="5" renewal-period="60" />
    <quota calls="100" renewal-period="{period}" />
    <base />
  </inbound>
</policies>
"""


@pytest.fixture
def product(db) -> Product:
    return Product.objects.create(name="starter", display_name="Starter", state=Product.State.PUBLISHED)


@pytest.fixture
def mine(alice, product):
    return lifecycle.subscribe(user=alice, product=product, display_name="Mine")


def limit(product, period=WEEK) -> None:
    ProductPolicy.objects.create(product=product, document=POLICY.format(period=period))


def called(subscription, *times: str, calls=1) -> None:
    for time in times:
        SubscriptionQuarter.objects.create(
            subscription_id=subscription.pk, quarter=datetime.fromisoformat(time), calls=calls, refused=1000
        )


def used(subscription, calls: int, start: datetime) -> None:
    QuotaUse.objects.create(
        subscription_id=subscription.pk, product_id=subscription.product_id, calls=calls, period_start=start
    )


def usage(subscription, now=NOW, zone=UTC):
    return usage_of([subscription], now, zone)[subscription.pk]


def test_a_subscription_that_was_never_used(mine):
    assert (usage(mine).today, usage(mine).this_week, usage(mine).quota_left, usage(mine).rate) == (0, 0, None, None)


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


@pytest.mark.parametrize(
    ("period", "calls", "age", "left", "resets_in"),
    [
        pytest.param(WEEK, 30, 3600, 70, WEEK - 3600, id="within the period"),
        pytest.param(WEEK, 100, 3600, 0, WEEK - 3600, id="used up"),
        pytest.param(WEEK, 140, 3600, 0, WEEK - 3600, id="the quota was lowered"),
        pytest.param(WEEK, 30, WEEK - 1, 70, 1, id="the period's last second"),
        pytest.param(WEEK, 30, WEEK, 100, None, id="the period is over"),
        pytest.param(0, 30, 50 * WEEK, 70, None, id="a quota that is never renewed"),
    ],
)
def test_what_is_left_of_the_quota(mine, product, period, calls, age, left, resets_in):
    limit(product, period)
    used(mine, calls, NOW - timedelta(seconds=age))
    seen = usage(mine)
    assert (seen.quota_calls, seen.quota_left) == (100, left)
    assert seen.quota_resets_at == (NOW + timedelta(seconds=resets_in) if resets_in is not None else None)


def test_what_is_left_of_the_bandwidth(mine, product):
    document = '<policies><inbound><quota bandwidth="40" renewal-period="3600" /></inbound></policies>'
    ProductPolicy.objects.create(product=product, document=document)
    seen = usage(mine)
    assert (seen.quota_calls, seen.quota_kilobytes, seen.quota_kilobytes_left) == (None, 40, 40)
    used(mine, 3, NOW - timedelta(minutes=1))
    for size, left in ((1023, 40), (1024, 39), (40 * 1024, 0), (41 * 1024, 0)):
        QuotaUse.objects.update(bytes=size)
        assert usage(mine).quota_kilobytes_left == left


def test_a_quota_that_was_not_touched_is_whole(mine, product):
    limit(product)
    assert (usage(mine).quota_left, usage(mine).quota_resets_at) == (100, None)


def test_the_rate_is_the_product_s(mine, product):
    limit(product)
    assert (usage(mine).rate.calls, usage(mine).rate.renewal_period_seconds) == (5, 60)
    assert isinstance(usage(mine).rate, RateLimit)


def test_a_policy_that_does_not_compile_shows_no_limits(mine, product):
    ProductPolicy.objects.create(product=product, document="<policies>")
    assert (usage(mine).rate, usage(mine).quota_calls) == (None, None)


def test_a_subscription_without_product_has_no_limits(alice, mine, product):
    limit(product)
    wide = lifecycle.create(display_name="Wide", by=alice, owner=alice)
    assert (usage(wide).rate, usage(wide).quota_calls) == (None, None)


def test_many_subscriptions_take_as_many_queries_as_one(alice, product, django_assert_num_queries):
    limit(product)
    many = [lifecycle.subscribe(user=alice, product=product, display_name=f"No. {n}") for n in range(20)]
    for number, subscription in enumerate(many):
        called(subscription, "2026-03-04T08:00Z", calls=number + 1)
    with django_assert_num_queries(3):
        seen = usage_of(many, NOW, UTC)
    assert [seen[subscription.pk].today for subscription in many] == list(range(1, 21))


def test_no_subscriptions_have_no_usage(db):
    assert usage_of([], NOW, UTC) == {}
