"""How much of each quota is used, is the same in SQL, by which lists are sorted, as by plain arithmetic."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from analytics import quotas
from analytics.models import InnerQuotaUse, QuotaUse
from apis.models import API, Operation
from policies.models import ProductPolicy
from subscriptions.models import Product, Subscription

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
QUOTA = "<policies><inbound><quota {} /></inbound></policies>"
INNER = QUOTA.format('calls="100" renewal-period="3600"').replace(
    "/>",
    '><api name="Echo" calls="40"><operation name="Say" bandwidth="10" renewal-period="600" /></api></quota>',
    1,
)
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


def found(least: float = 0.0, **conditions) -> list[quotas.Stand]:
    rules = quotas.rules()
    uses = quotas.uses(rules, Subscription.objects.filter(**conditions), NOW, least=least)
    stands = list(quotas.stands(uses[:1000], rules, NOW))
    assert len(stands) == uses.count()
    return stands


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
    assert stand.use.percent == pytest.approx(percent)
    assert tuple(part and part.left for part in (stand.calls, stand.kilobytes)) == left


def test_when_it_is_full_again(products):
    subscribe(products["calls"], 50)
    subscribe(products["calls"], 50, minutes_ago=90)
    subscribe(products["ever"], 9)
    assert [stand.refills_at for stand in found()] == [None, NOW + timedelta(minutes=55), None]


def test_who_has_not_called_has_all_of_it(products):
    row = Subscription.objects.create(display_name="S", product=products["both"])
    [stand] = found()
    assert (stand.subscription, stand.use.percent, stand.calls.left, stand.kilobytes.left) == (row, 0, 100, 10)


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
    assert {stand.subscription.pk: pytest.approx(stand.use.percent) for stand in stands} == made
    assert [stand.use.percent for stand in stands] == sorted(made.values(), reverse=True)


@pytest.fixture
def parts(products):
    """Echo, and Say in it, with quotas of their own in that of the product "inner"."""
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="https://backend.example.org")
    say = Operation.objects.create(api=api, name="say", display_name="Say", method="GET", url_template="/say")
    product = Product.objects.create(name="inner", display_name="inner", state="published")
    product.apis.add(api)
    ProductPolicy.objects.create(product=product, document=INNER)
    return product, api, say


def use_part(row, parts, calls=0, size=0, *, of_operation=False, minutes_ago=5) -> None:
    product, api, say = parts
    start = NOW - timedelta(minutes=minutes_ago)
    scope = {"product_id": product.pk, "api_id": api.pk, "operation_id": say.pk if of_operation else 0}
    InnerQuotaUse.objects.create(subscription=row, period_start=start, calls=calls, bytes=size, **scope)


def test_quotas_of_apis_and_operations_are_listed_among_the_others(products, parts):
    other = subscribe(products["calls"], 100)
    row = subscribe(parts[0], 60)
    use_part(row, parts, 30)
    use_part(row, parts, size=9 * 1024, of_operation=True)
    assert [(one.subscription, one.of, round(one.use.percent), one.fullest.left) for one in found()] == [
        (row, "inner: Echo: Say", 90, 1),
        (row, "inner: Echo", 75, 10),
        (row, "inner", 60, 40),
        (other, "calls", 50, 100),
    ]
    assert [one.of for one in found(least=75)] == ["inner: Echo: Say", "inner: Echo"]
    assert [one.of for one in found(product=products["calls"])] == ["calls"]


@pytest.mark.parametrize(("minutes_ago", "shown"), [(9, True), (10, False)])
def test_a_part_s_own_period_counts(parts, minutes_ago, shown):
    row = subscribe(parts[0])
    use_part(row, parts, size=1024, of_operation=True, minutes_ago=minutes_ago)
    assert ("inner: Echo: Say" in [one.of for one in found()]) is shown


def test_a_quota_that_was_taken_away_is_not_listed(parts):
    row = subscribe(parts[0])
    use_part(row, parts, 30)
    ProductPolicy.objects.filter(product=parts[0]).update(document=DOCUMENTS["calls"])
    assert [one.of for one in found()] == ["inner"]


def test_the_count_of_another_product_says_nothing(products):
    row = subscribe(products["calls"], 100)
    Subscription.objects.filter(pk=row.pk).update(product=products["both"])
    [stand] = found()
    assert (stand.use.percent, stand.calls.left) == (0, 100)
    assert found(least=1) == []


def test_nothing_is_listed_where_there_is_no_quota(db):
    assert found() == []
