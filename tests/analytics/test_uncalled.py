"""What nobody has called since a day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from analytics import rollups, sums, uncalled
from analytics.models import APIDay, OperationDay
from apis.models import API, Operation
from subscriptions.models import Product, Subscription, SubscriptionKey

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 31, 15, tzinfo=UTC)
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def make_api(name: str, created_at=SINCE - timedelta(days=300)) -> API:
    api = API.objects.create(name=name, display_name=name, path=name, service_url="http://b")
    API.objects.filter(pk=api.pk).update(created_at=created_at)
    return api


def make_operation(api: API, name: str) -> Operation:
    return Operation.objects.create(api=api, name=name, display_name=name, method="GET", url_template=f"/{name}")


def call(at: datetime, *, api=0, operation=0, product=0, code=200) -> None:
    kind = bytes(16), api, operation, product, 0, ""
    rollups.add(sums.of([(int(at.timestamp()) // 900, kind, code, False, 0, 0, 1000, None)]))


def names(rows) -> list[str]:
    return [row.name for row in rows]


def test_days_are_those_of_utc():
    assert uncalled.day_before(NOW, 30) == SINCE
    assert uncalled.day_before(NOW.replace(hour=0), 30) == SINCE


@pytest.mark.parametrize(
    ("at", "code", "expected"),
    [
        pytest.param(SINCE, 200, [], id="on the first day"),
        pytest.param(SINCE, 500, [], id="a failed call is a call"),
        pytest.param(SINCE - timedelta(minutes=1), 200, ["a"], id="the day before"),
        pytest.param(None, 200, ["a"], id="never"),
    ],
)
def test_api_without_a_call(at, code, expected):
    api = make_api("a")
    if at is not None:
        call(at, api=api.pk, code=code)
    assert names(uncalled.apis(SINCE)) == expected


def test_young_api_is_left_out():
    make_api("young", created_at=SINCE + timedelta(days=1))
    assert names(uncalled.apis(SINCE)) == []


def test_operations_of_apis_that_are_called():
    used, idle = make_api("used"), make_api("idle")
    called, other, _of_idle = make_operation(used, "called"), make_operation(used, "other"), make_operation(idle, "x")
    call(SINCE, api=used.pk, operation=called.pk)
    call(SINCE - timedelta(days=9), api=used.pk, operation=other.pk)
    assert names(uncalled.operations(SINCE)) == ["other"]
    assert uncalled.last_called(OperationDay, "operation_id", [other.pk]) == {other.pk: date(2026, 2, 20)}


def test_published_products_that_have_an_api():
    api = make_api("a")
    for name, state in (("called", "published"), ("idle", "published"), ("draft", "notPublished")):
        Product.objects.create(name=name, display_name=name, state=state).apis.add(api)
    Product.objects.create(name="empty", display_name="empty", state="published")
    call(SINCE, api=api.pk, product=Product.objects.get(name="called").pk)
    assert names(uncalled.products(SINCE)) == ["idle"]


def test_active_subscriptions_whose_keys_nobody_uses():
    api = make_api("a")
    used = {"never": None, "long ago": SINCE - timedelta(days=5), "lately": SINCE}
    for name, at in used.items():
        row = Subscription.objects.create(display_name=name, api=api)
        Subscription.objects.filter(pk=row.pk).update(created_at=SINCE - timedelta(days=9))
        SubscriptionKey.objects.create(subscription=row, slot="primary", digest=name, last_used_at=at)
    Subscription.objects.create(display_name="young", api=api)
    Subscription.objects.create(display_name="ended", api=api, state="cancelled")
    found = {row.display_name: row.last_used for row in uncalled.subscriptions(SINCE)}
    assert found == {"never": None, "long ago": SINCE - timedelta(days=5)}


def test_last_call_is_the_latest_of_all():
    api = make_api("a")
    for hours in (1, 50, 30):
        call(SINCE - timedelta(hours=hours), api=api.pk)
    assert uncalled.last_called(APIDay, "api_id", [api.pk, 999]) == {api.pk: date(2026, 2, 28)}
