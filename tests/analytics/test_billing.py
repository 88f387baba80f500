"""What subscriptions used in a month, for invoices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from analytics import billing, ingest
from analytics.models import SubscriptionQuarter
from analytics.usage import usage_of
from subscriptions import lifecycle, offering
from subscriptions.models import Price, Product, Subscription
from tests.analytics.conftest import record

BERLIN = ZoneInfo("Europe/Berlin")
MARCH = billing.Period.of(2026, 3, UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def product(db) -> Product:
    return Product.objects.create(name="gold", display_name="Gold", state=Product.State.PUBLISHED)


@pytest.fixture
def mine(alice, product) -> Subscription:
    return lifecycle.subscribe(user=alice, product=product, display_name="Mine", now=LONG_AGO)


def called(subscription, time: str, calls: int, size: int = 0) -> None:
    SubscriptionQuarter.objects.create(
        subscription_id=subscription.pk, quarter=datetime.fromisoformat(time), calls=calls, refused=1000, bytes=size
    )


def priced(product, since: str, rate: str) -> None:
    Price.objects.create(
        product=product,
        since=datetime.fromisoformat(since),
        kind="perThousandCalls",
        currency="EUR",
        per_thousand_calls=Decimal(rate),
    )


@pytest.mark.parametrize(
    ("month", "zone", "start", "end"),
    [
        pytest.param("2026-03", UTC, "2026-03-01T00:00Z", "2026-04-01T00:00Z", id="UTC"),
        pytest.param("2026-12", UTC, "2026-12-01T00:00Z", "2027-01-01T00:00Z", id="the last of a year"),
        pytest.param("2028-02", UTC, "2028-02-01T00:00Z", "2028-03-01T00:00Z", id="of a leap year"),
        pytest.param("2026-03", BERLIN, "2026-02-28T23:00Z", "2026-03-31T22:00Z", id="the clocks change within it"),
    ],
)
def test_a_month_is_one_of_the_time_zone(month, zone, start, end):
    period = billing.Period.of(*map(int, month.split("-")), zone)
    assert (period.start, period.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert billing.Period.around(period.start, zone) == period
    assert period.name == month


def test_the_latest_months_come_first():
    now = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    assert [period.name for period in billing.periods(now, BERLIN, count=3)] == ["2026-02", "2026-01", "2025-12"]


def test_calls_from_the_first_quarter_to_the_last_are_charged(product, mine):
    called(mine, "2026-02-28T23:45Z", 1)
    called(mine, "2026-03-01T00:00Z", 1000, size=30)
    called(mine, "2026-03-31T23:45Z", 500, size=5)
    called(mine, "2026-04-01T00:00Z", 1)
    priced(product, "2026-01-01T00:00Z", "2")
    (bill,) = billing.bills(MARCH, product)
    assert (bill.calls, bill.bytes, bill.amount) == (1500, 35, Decimal("3.00"))


@pytest.mark.parametrize(
    ("steps", "is_billed"),
    [
        pytest.param([("2026-02-10", "suspended")], False, id="suspended before, and since then"),
        pytest.param([("2026-02-10", "suspended"), ("2026-04-02", "active")], False, id="resumed in the next month"),
        pytest.param([("2026-02-10", "suspended"), ("2026-03-31", "active")], True, id="resumed on the last day"),
        pytest.param([("2026-03-01T00:00:01", "suspended")], True, id="suspended after the first second"),
        pytest.param([("2026-03-02", "suspended"), ("2026-03-03", "active")], True, id="suspended for a day"),
        pytest.param([("2026-02-01", "suspended"), ("2026-02-02", "active")], True, id="suspended the month before"),
        pytest.param([("2026-04-01", "suspended")], True, id="suspended the month after"),
    ],
)
def test_suspended_for_all_of_the_month_is_on_no_bill(product, mine, steps, is_billed):
    Price.objects.create(product=product, since=LONG_AGO, kind="perMonth", currency="EUR", per_month=Decimal(10))
    for at, state in steps:
        row = mine.events.create(state=state)
        mine.events.filter(pk=row.pk).update(at=datetime.fromisoformat(at).replace(tzinfo=UTC))
        Subscription.objects.filter(pk=mine.pk).update(state=state)
    # What was there when it began is of now, in this test.
    mine.events.filter(at__gt=datetime(2026, 6, 1, tzinfo=UTC)).update(at=LONG_AGO)
    amounts = [bill.amount for bill in billing.bills(MARCH, product)]
    assert amounts == ([Decimal("10.00")] if is_billed else [])
    assert (billing.bill_of(mine, MARCH) is not None) == is_billed


def test_calls_are_the_ones_that_the_developer_sees(tmp_path, write, product, mine):
    key = mine.pk.bytes
    write(
        record(1, subscription=key),
        record(2, subscription=key, response_code=502, error_source="backend"),
        record(3, subscription=key, response_code=429, error_source="rate-limit"),
        record(4, subscription=key, response_code=401, error_source="authorization"),
    )
    ingest.ingest(tmp_path)
    (bill,) = billing.bills(MARCH, product)
    now = datetime(2026, 3, 4, 13, tzinfo=UTC)
    assert (bill.calls, bill.bytes) == (2, 60)
    assert usage_of([mine], now, UTC)[mine.pk].today == bill.calls


def test_a_period_costs_what_the_price_was_at_its_end(product, mine):
    called(mine, "2026-03-10T00:00Z", 1000)
    priced(product, "2026-02-01T00:00Z", "1")
    priced(product, "2026-03-31T23:59Z", "2")
    priced(product, "2026-04-01T00:00Z", "3")
    (bill,) = billing.bills(MARCH, product)
    assert bill.amount == Decimal("2.00")


def test_a_product_that_had_no_price_then_has_no_amount(product, mine):
    priced(product, "2026-04-01T00:00Z", "3")
    (bill,) = billing.bills(MARCH, product)
    assert (bill.price, bill.amount) == (None, None)


@pytest.mark.parametrize(
    ("started", "ended", "is_charged"),
    [
        pytest.param("2026-02-01", None, True, id="all the time"),
        pytest.param("2026-03-31", None, True, id="began in it"),
        pytest.param("2026-04-01", None, False, id="began after it"),
        pytest.param("2026-02-01", "2026-03-02", True, id="ended in it"),
        pytest.param("2026-02-01", "2026-02-28", False, id="ended before it"),
        pytest.param(None, None, False, id="never began"),
    ],
)
def test_who_was_active_in_the_period_is_charged(product, mine, started, ended, is_charged):
    times = {
        name: datetime.fromisoformat(f"{day}T12:00Z") if day else None
        for name, day in (("started_at", started), ("ended_at", ended))
    }
    Subscription.objects.update(**times)
    assert bool(list(billing.bills(MARCH, product))) is is_charged
    assert (billing.bill_of(mine, MARCH) is not None) is is_charged


def test_a_deleted_product_is_charged_to_its_end(product, mine, admin_user):
    called(mine, "2026-03-10T00:00Z", 1000)
    priced(product, "2026-02-01T00:00Z", "1")
    offering.delete_product(product, by=admin_user, cancel_subscriptions=True)
    (bill,) = billing.bills(MARCH)
    assert (bill.product.name_in_history, bill.amount) == ("Gold (deleted)", Decimal("1.00"))


def test_subscriptions_to_other_products_and_to_apis_are_left_out(product, mine, alice):
    other = Product.objects.create(name="other", display_name="Other", state=Product.State.PUBLISHED)
    lifecycle.subscribe(user=alice, product=other, display_name="Other", now=LONG_AGO)
    lifecycle.create(display_name="All", by=None, now=LONG_AGO)
    assert [bill.subscription for bill in billing.bills(MARCH, product)] == [mine]
    assert len(list(billing.bills(MARCH))) == 2


def test_many_are_read_in_batches(product, alice, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(billing, "BATCH", 10)
    for number in range(25):
        one = lifecycle.subscribe(user=alice, product=product, display_name=f"No. {number}", now=LONG_AGO)
        called(one, "2026-03-10T00:00Z", number)
    with django_assert_num_queries(1 + 1 + 3):
        found = list(billing.bills(MARCH, product))
    assert sorted(bill.calls for bill in found) == list(range(25))


def test_what_expires_at_the_end_of_a_month_is_not_billed_for_the_next_one(product, mine):
    Subscription.objects.filter(pk=mine.pk).update(expires_at=MARCH.start)
    assert list(billing.bills(MARCH, product)) == []
    lifecycle.expire_due(MARCH.start + timedelta(seconds=40))
    mine.refresh_from_db()
    assert (mine.state, mine.ended_at) == ("expired", MARCH.start)
    assert list(billing.bills(MARCH, product)) == []
