"""What is left of limits: as the gateway says, or as far as the database knows."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from analytics import gateway_limits
from analytics.limits import standing_of
from analytics.models import InnerQuotaUse, JournalPart, QuotaUse
from apis.models import API, Operation
from policies.models import ProductPolicy
from subscriptions import lifecycle
from subscriptions.models import Product

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
WEEK = 7 * 24 * 3600
POLICY = """<policies><inbound><rate-limit calls="5" renewal-period="60" />
<quota calls="100" renewal-period="{period}" /><base /></inbound></policies>"""
BANDWIDTH = '<policies><inbound><quota bandwidth="40" renewal-period="3600" /></inbound></policies>'
INNER = """<policies><inbound><rate-limit calls="9" renewal-period="60"><api name="Echo"><operation name="Say"
/></api></rate-limit></inbound></policies>"""

INNER_QUOTA = """<policies><inbound><quota calls="100" renewal-period="3600"><api name="Echo" calls="40"><operation
name="Say" calls="20" renewal-period="600" /></api></quota></inbound></policies>"""


@pytest.fixture
def product(db) -> Product:
    return Product.objects.create(name="starter", display_name="Starter", state=Product.State.PUBLISHED)


@pytest.fixture
def mine(alice, product):
    return lifecycle.subscribe(user=alice, product=product, display_name="Mine")


class Gateway:
    """Answers /limits as it is told to: with `told` by subscription, or whatever `status` and `body` say."""

    def __init__(self) -> None:
        self.told: dict = {}
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[list[str]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = [value for _, value in parse_qsl(urlsplit(self.path).query)]
                stand_in.asked.append(asked)
                told = {one: stand_in.told[one] for one in asked if one in stand_in.told}
                body = stand_in.body or json.dumps({"at": NOW.timestamp(), "subscriptions": told}).encode()
                self.send_response(stand_in.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tell(self, subscription, *limits: dict, is_certain: bool = True) -> None:
        self.told[str(subscription.pk)] = {"limits": limits, "is_certain": is_certain}


@pytest.fixture
def gateway(settings, monkeypatch):
    monkeypatch.setattr(gateway_limits, "CONNECT_SECONDS", 60)
    monkeypatch.setattr(gateway_limits, "ANSWER_SECONDS", 60)
    gateway = Gateway()
    settings.GATEWAY_MANAGEMENT_URL = f"http://127.0.0.1:{gateway.server.server_port}"
    yield gateway
    gateway.server.shutdown()
    gateway.server.server_close()


def limit(kind: str, limit: int, used: int, resets_in: int | None, api: int = 0, operation: int = 0) -> dict:
    return {
        **{"kind": kind, "limit": limit, "used": used, "left": max(limit - used, 0), "resets_in_seconds": resets_in},
        **{"api": api, "operation": operation, "period_seconds": 60},
    }


def has_policy(product, document=POLICY, period=WEEK) -> None:
    ProductPolicy.objects.create(product=product, document=document.format(period=period))


def used(subscription, calls: int, start: datetime, bytes: int = 0) -> None:
    QuotaUse.objects.create(
        subscription_id=subscription.pk,
        product_id=subscription.product_id,
        calls=calls,
        bytes=bytes,
        period_start=start,
    )


def stands(subscription) -> dict[str, tuple]:
    return {
        one.kind: (one.limit, one.used, one.left, one.resets_at)
        for one in standing_of([subscription], NOW)[subscription.pk].limits
    }


# -- As the gateway says -----------------------------------------------------------------------


def test_the_gateway_has_the_word(gateway, mine, product):
    has_policy(product)
    used(mine, 10, NOW)
    gateway.tell(mine, limit("rate", 5, 2, 41), limit("quota", 100, 30, None), limit("rate", 3, 3, 2, 7, 8))
    standing = standing_of([mine], NOW)[mine.pk]
    assert (standing.is_live, standing.as_of) == (True, NOW)
    rate, quota, inner = standing.limits
    assert (rate.used, rate.left, rate.resets_at) == (2, 3, NOW + timedelta(seconds=41))
    assert (quota.used, quota.left, quota.resets_at) == (30, 70, None)
    assert (inner.api_id, inner.operation_id, inner.is_used_up) == (7, 8, True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(503, None, id="no worker says"),
        pytest.param(200, b"<html>", id="no gateway"),
        pytest.param(200, b'{"at": 1, "subscriptions": {"x": {}}}', id="no ids"),
        pytest.param(200, b'{"at": 1, "subscriptions": {}}' + b" " * 2**21, id="too much"),
        pytest.param(302, b"", id="a redirect"),
    ],
)
def test_what_says_something_else_is_not_believed(gateway, mine, product, status, body):
    has_policy(product)
    used(mine, 10, NOW)
    gateway.status, gateway.body = status, body
    standing = standing_of([mine], NOW)[mine.pk]
    assert not standing.is_live
    assert stands(mine)["quota"][:3] == (100, 10, 90)


def test_a_gateway_that_is_down_is_done_without(settings, mine, product):
    settings.GATEWAY_MANAGEMENT_URL = "http://127.0.0.1:1"
    has_policy(product)
    assert stands(mine)["quota"][:3] == (100, 0, 100)


def test_what_one_worker_counted_alone_is_not_shown_as_all(gateway, mine, product):
    has_policy(product)
    used(mine, 10, NOW)
    gateway.tell(mine, limit("quota", 100, 3, 5), is_certain=False)
    assert not standing_of([mine], NOW)[mine.pk].is_live
    assert stands(mine)["quota"][:3] == (100, 10, 90)


def test_a_subscription_that_the_gateway_does_not_know_yet(gateway, mine, product):
    has_policy(product)
    assert stands(mine)["quota"][:3] == (100, 0, 100)


def test_many_are_asked_about_fifty_at_a_time(gateway, alice, product):
    many = [
        lifecycle.create(by=None, owner=alice, product=product, display_name=f"No. {number}") for number in range(120)
    ]
    for one in many:
        gateway.tell(one, limit("rate", 5, 1, 41))
    found = standing_of(many, NOW)
    assert sorted(map(len, gateway.asked)) == [20, 50, 50]
    assert all(found[one.pk].limits[0].left == 4 for one in many)


def test_only_keys_of_products_are_asked_about(gateway, alice):
    wide = lifecycle.create(display_name="Wide", by=None, owner=alice)
    standing = standing_of([wide], NOW)[wide.pk]
    assert (standing.limits, standing.is_live, gateway.asked) == ((), True, [])


# -- As the database knows ---------------------------------------------------------------------


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
    has_policy(product, period=period)
    used(mine, calls, NOW - timedelta(seconds=age))
    limit, _, found, resets_at = stands(mine)["quota"]
    assert (limit, found) == (100, left)
    assert resets_at == (NOW + timedelta(seconds=resets_in) if resets_in is not None else None)


def test_what_is_left_of_the_bandwidth(mine, product):
    has_policy(product, BANDWIDTH)
    assert stands(mine) == {"bandwidth": (40 * 1024, 0, 40 * 1024, None)}
    used(mine, 3, NOW - timedelta(minutes=1))
    for size in (1023, 40 * 1024, 41 * 1024):
        QuotaUse.objects.update(bytes=size)
        assert stands(mine)["bandwidth"][1:3] == (size, max(40 * 1024 - size, 0))


def test_rates_and_limits_of_apis_are_told_without_numbers(mine, product):
    api = API.objects.create(
        name="echo", display_name="Echo", path="echo", service_url="https://backend.example.org", scheme="both"
    )
    Operation.objects.create(api=api, name="say", display_name="Say", method="GET", url_template="/say")
    product.apis.add(api)
    has_policy(
        product, INNER.replace('<api name="Echo"', '<api name="Echo" calls="4"').replace('"Say"', '"Say" calls="2"')
    )
    found = standing_of([mine], NOW)[mine.pk].limits
    assert [(one.limit, one.api_id, one.operation_id, one.left) for one in found] == [
        (9, None, None, None),
        (4, api.pk, None, None),
        (2, api.pk, api.operations.get().pk, None),
    ]


def test_what_is_left_of_quotas_of_an_api_and_an_operation(mine, product):
    api = API.objects.create(name="echo", display_name="Echo", path="echo", service_url="https://backend.example.org")
    say = Operation.objects.create(api=api, name="say", display_name="Say", method="GET", url_template="/say")
    product.apis.add(api)
    has_policy(product, INNER_QUOTA)
    started = {"subscription": mine, "product_id": product.pk, "period_start": NOW - timedelta(minutes=10)}
    InnerQuotaUse.objects.create(**started, api_id=api.pk, operation_id=0, calls=30)
    InnerQuotaUse.objects.create(**started, api_id=api.pk, operation_id=say.pk, calls=7)
    found = standing_of([mine], NOW)[mine.pk].limits
    assert [(one.limit, one.api_id, one.operation_id, one.left, one.resets_at) for one in found] == [
        (100, None, None, 100, None),
        (40, api.pk, None, 10, NOW + timedelta(minutes=50)),
        (20, api.pk, say.pk, 20, None),
    ], "the period of ten minutes is over"


def test_it_says_how_old_it_is(mine, product):
    has_policy(product)
    JournalPart.objects.create(name="a")
    JournalPart.objects.update(updated_at=NOW - timedelta(minutes=3))
    assert standing_of([mine], NOW)[mine.pk].as_of == NOW - timedelta(minutes=3)


def test_a_policy_that_does_not_compile_shows_no_limits(mine, product):
    ProductPolicy.objects.create(product=product, document="<policies>")
    assert stands(mine) == {}


def test_many_subscriptions_take_as_many_queries_as_one(alice, product, django_assert_num_queries):
    has_policy(product)
    many = [lifecycle.subscribe(user=alice, product=product, display_name=f"No. {number}") for number in range(20)]
    with django_assert_num_queries(3):
        found = standing_of(many, NOW)
    assert all(len(found[one.pk].limits) == 2 for one in many)
