"""How much of each quota is used, is the same in SQL, by which lists are sorted, as by plain arithmetic."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from analytics import quotas
from analytics.models import QuotaUse
from policies.models import ProductPolicy
from subscriptions.models import Product, Subscription

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
QUOTA = "<policies><inbound><quota {} /></inbound></policies>"
DOCUMENTS = {
    "calls": QUOTA.format('calls="200" renewal-period="3600"'),
    "kilobytes": QUOTA.format('bandwidth="50" renewal-period="3600"'),
    "both": QUOTA.format('calls="100" bandwidth="10" renewal-period="3600"'),
    "ever": QUOTA.format('calls="10" renewal-period="0"'),
    "none": "<policies><inbound /></policies>",
    "broken": "<policies><inbound><quota /></inbound></policies>",
}


@pytest.fixture
def products(db) -> dict[str, Product]:
    found = {name: Product.objects.create(name=name, display_name=name, state="published") for name in DOCUMENTS}
    for name, product in found.items():
        ProductPolicy.objects.create(product=product, document=DOCUMENTS[name])
    return found


def subscribe(product, calls=0, size=0, minutes_ago=5, **fields) -> Subscription:
    row = Subscription.objects.create(display_name="S", product=product, **fields)
    start = NOW - timedelta(minutes=minutes_ago)
    QuotaUse.objects.create(subscription_id=row.pk, product_id=product.pk, period_start=start, calls=calls, bytes=size)
    return row


def found(**conditions) -> list[quotas.Stand]:
    rows = quotas.with_percent(quotas.quotas(), NOW).filter(**conditions).order_by("-percent", "pk")
    return list(quotas.stands(rows, NOW))


@pytest.mark.parametrize(
    ("name", "calls", "size", "minutes_ago", "percent", "left"),
    [
        ("calls", 50, 10**9, 5, 25, (150, None)),
        ("calls", 250, 0, 5, 125, (0, None)),
        ("calls", 50, 0, 60, 0, (200, None)),
        ("calls", 50, 0, 59.9, 25, (150, None)),
        ("kilobytes", 10**6, 25 * 1024, 5, 50, (None, 25)),
        ("both", 20, 9 * 1024, 5, 90, (80, 1)),
        ("both", 95, 9 * 1024, 5, 95, (5, 1)),
        ("ever", 9, 0, 10**6, 90, (1, None)),
    ],
)
def test_percent_and_what_is_left(products, name, calls, size, minutes_ago, percent, left):
    subscribe(products[name], calls, size, minutes_ago)
    [stand] = found()
    assert stand.percent == pytest.approx(percent)
    assert tuple(part and part.left for part in (stand.calls, stand.kilobytes)) == left


def test_when_it_is_full_again(products):
    subscribe(products["calls"], 50)
    subscribe(products["calls"], 50, minutes_ago=90)
    subscribe(products["ever"], 9)
    assert [stand.refills_at for stand in found()] == [None, NOW + timedelta(minutes=55), None]


def test_who_has_not_called_has_all_of_it(products):
    row = Subscription.objects.create(display_name="S", product=products["both"])
    [stand] = found()
    assert (stand.subscription, stand.percent, stand.calls.left, stand.kilobytes.left) == (row, 0, 100, 10)


def test_only_active_subscriptions_to_products_with_a_quota_are_there(products):
    for name in ("none", "broken"):
        subscribe(products[name], 99)
    for state in ("submitted", "suspended", "cancelled"):
        subscribe(products["calls"], 99, state=state)
    assert found() == []


def test_sorted_by_percent_over_all_products(products):
    draw = random.Random(3)
    limits = {"calls": 200, "both": 100, "ever": 10}
    made = {}
    for name, limit in limits.items():
        for _ in range(10):
            calls = draw.randrange(2 * limit)
            made[subscribe(products[name], calls).pk] = 100 * calls / limit
    stands = found()
    assert {stand.subscription.pk: pytest.approx(stand.percent) for stand in stands} == made
    assert [stand.percent for stand in stands] == sorted(made.values(), reverse=True)


def test_nothing_is_listed_where_there_is_no_quota(db):
    assert found() == []
