"""Where limits stand, asked beside the calls: the numbers that callers are told, and nothing is counted."""

import json
import re
from uuid import UUID

import pytest

from tests.gateway import test_wire_limits, test_wire_redis
from tests.gateway.conftest import free_port
from tests.gateway.raw import Client
from tests.gateway.redis_server import RedisServer

PATIENT = "tests.gateway.with_patience"


def key_request(key: int, target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K{key}\r\n\r\n".encode()


def ask(gateway, query: str):
    client = Client(gateway.management)
    try:
        return client.ask(f"GET /limits?{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    finally:
        client.close()


def limits(gateway, key: int) -> dict:
    """By kind and scope."""
    subscription = str(UUID(bytes=bytes([key]) * 16))
    told = json.loads(ask(gateway, f"subscription={subscription}").body)["subscriptions"][subscription]
    return {"certain": told["is_certain"]} | {
        (one["kind"], one["api"], one["operation"]): (one["limit"], one["used"], one["left"], one["resets_in_seconds"])
        for one in told["limits"]
    }


@pytest.fixture
def gateway(start_gateway, backend):
    port = free_port()
    gateway = start_gateway(test_wire_limits.limited(backend.port), program=PATIENT, GATEWAY_MANAGEMENT_PORT=port)
    gateway.management = port
    yield gateway
    gateway.hang_up()


def test_it_is_what_the_headers_tell(gateway):
    before = limits(gateway, 1)
    assert before == {"certain": True, ("rate", 0, 0): (5, 0, 5, None), ("quota", 0, 0): (100, 0, 100, None)}
    for _ in range(2):
        answer = gateway.ask(key_request(1, "/one/a"))
    told = dict(re.findall(r'"(\w+)";r=(\d+;t=\d+)', answer.header("RateLimit").decode()))
    for _ in range(3):
        after = limits(gateway, 1)
    assert after["rate", 0, 0][:3] == (5, 2, 3)
    assert after["quota", 0, 0][:3] == (100, 2, 98)
    for name in ("rate", "quota"):
        left, seconds = map(int, told[name].split(";t="))
        assert after[name, 0, 0][2] == left
        assert seconds - 600 <= after[name, 0, 0][3] <= seconds


def test_limits_of_apis_and_operations_are_told_too(gateway):
    assert gateway.ask(key_request(2, "/one/a")).status == 200
    assert {scope: numbers[:3] for scope, numbers in limits(gateway, 2).items() if scope != "certain"} == {
        ("rate", 0, 0): (9, 1, 8),
        ("rate", 1, 0): (2, 1, 1),
        ("rate", 1, 11): (1, 1, 0),
    }


def test_bandwidth_is_told_in_bytes_and_a_quota_for_good_has_no_end(gateway):
    assert gateway.ask(key_request(3, "/two/a")).status == 200
    found = limits(gateway, 3)
    assert found["quota", 2, 0] == (1, 1, 0, None)
    limit, used, left, seconds = found["bandwidth", 0, 0]
    assert (limit, left) == (1024, 1024 - used)
    assert used > 100
    assert 3000 <= seconds <= 3600


def test_a_key_without_limits_has_none_and_an_unknown_one_is_left_out(gateway):
    assert limits(gateway, 5) == {"certain": True}
    assert json.loads(ask(gateway, f"subscription={UUID(int=9)}").body)["subscriptions"] == {}


HOSTILE = [
    "",
    "subscription=",
    "subscription=1",
    "subscription=" + "0" * 32,
    "subscription=%30",
    f"subscription={UUID(int=1)}&x=1",
    f"subscription={UUID(int=1)}\x00",
    "&".join(f"subscription={UUID(int=number)}" for number in range(51)),
]


def test_what_names_no_subscription_is_refused(gateway):
    assert {query: ask(gateway, query).status for query in HOSTILE} == dict.fromkeys(HOSTILE, 400)


def test_fifty_are_told_at_once(gateway):
    query = "&".join(f"subscription={UUID(bytes=bytes([number]) * 16)}" for number in range(1, 51))
    assert len(json.loads(ask(gateway, query).body)["subscriptions"]) == 5


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.close()


def test_what_several_gateways_counted_is_told_by_each(start_gateway, backend, redis):
    gateways = []
    for _ in range(2):
        port = free_port()
        settings = {"REDIS_URL": redis.url, "GATEWAY_MANAGEMENT_PORT": port, "GATEWAY_WORKERS": 2}
        settings["COUNTERS_TIMEOUT_SECONDS"] = test_wire_redis.PATIENCE_SECONDS
        gateways.append(start_gateway(test_wire_redis.limited(backend.port), program=PATIENT, **settings))
        gateways[-1].management = port
        gateways[-1].wait_for_log("shared counters available")
    for gateway in gateways:
        for _ in range(2):
            assert gateway.ask(key_request(3, "/one/b")).status in (200, 403)
    for gateway in gateways:
        found = limits(gateway, 3)
        assert found["certain"]
        assert found["rate", 0, 0][:3] == (9, 3, 6)
        assert found["quota", 1, 12] == (3, 3, 0, None)
        gateway.hang_up()


def test_without_redis_one_worker_says_what_it_knows(start_gateway, backend, redis):
    port = free_port()
    settings = {"REDIS_URL": redis.url, "GATEWAY_MANAGEMENT_PORT": port}
    gateway = start_gateway(test_wire_redis.limited(backend.port), program=PATIENT, **settings)
    gateway.management = port
    gateway.wait_for_log("shared counters available")
    assert gateway.ask(key_request(1, "/one/a")).status == 200
    redis.pause()
    found = limits(gateway, 1)
    redis.resume()
    assert not found["certain"]
    assert found["quota", 0, 0][:3] == (10_000, 1, 9_999)
    gateway.hang_up()
