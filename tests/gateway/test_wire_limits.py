"""Limits through the process: what callers are told, what the record keeps, what a crash leaves."""

import os
import re

import pytest

from gateway.configuration import key_digest
from gateway.configuration.snapshot import (
    API,
    InnerQuota,
    InnerRateLimit,
    Operation,
    Product,
    Quota,
    RateLimit,
    Snapshot,
)
from gateway.configuration.snapshot import Subscription as Key
from tests.gateway.conftest import echo_snapshot, wait_for

NAMED = {"remaining_calls_header_name": "X-Left", "total_calls_header_name": "X-Total"}
PRODUCTS = (
    Product(1, (1, 2), RateLimit(5, 3600, **NAMED), Quota(100, 604_800)),
    Product(2, (1, 2), RateLimit(9, 3600, inner=(InnerRateLimit(1, None, 2, 3600), InnerRateLimit(1, 11, 1, 3600)))),
    Product(3, (1, 2), None, Quota(None, 3600, kilobytes=1, inner=(InnerQuota(2, None, 1, 0),))),
    Product(4, (1, 2), None, Quota(50, 3600, kilobytes=10**6)),
    Product(5, (1, 2)),
)


def limited(port: int) -> Snapshot:
    """Two APIs with two operations each, and a key K1, K2, ... for each product."""
    secret = key_digest.digest_secret(os.environ["KEY_ENCRYPTION_KEY"])
    fields = (("http",), True, "Ocp-Apim-Subscription-Key", "subscription-key", None)
    apis = tuple(
        API(
            number,
            name,
            f"http://127.0.0.1:{port}",
            *fields,
            (Operation(10 * number + 1, "GET", "/a"), Operation(10 * number + 2, "GET", "/{*rest}")),
        )
        for number, name in ((1, "one"), (2, "two"))
    )
    keys = tuple(
        Key(
            bytes([product.id]) * 16, 7, product.id, None, True, None, (key_digest.digest(secret, b"K%d" % product.id),)
        )
        for product in PRODUCTS
    )
    return Snapshot(1, "test", "", apis, PRODUCTS, keys)


@pytest.fixture
def gateway(start_gateway, backend):
    gateway = start_gateway(limited(backend.port))
    yield gateway
    gateway.hang_up()


def ask(client, key: int, target: str = "/one/a", more: str = ""):
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K{key}\r\n{more}\r\n"
    return client.ask(head.encode())


def test_answers_tell_what_is_left(gateway):
    client = gateway.connect()
    answers = [ask(client, 1) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert {answer.header("RateLimit-Policy") for answer in answers} == {b'"rate";q=5;w=3600, "quota";q=100;w=604800'}
    assert [answer.header("X-Left") for answer in answers] == [b"4", b"3", b"2", b"1", b"0", b"0"]
    assert {answer.header("X-Total") for answer in answers} == {b"5"}
    assert answers[0].header("RateLimit") == b'"rate";r=4;t=3600, "quota";r=99;t=604800'
    rate, _, quota = answers[5].header("RateLimit").partition(b", ")
    assert rate == b'"rate";r=0;t=%b' % answers[5].header("Retry-After")
    assert re.fullmatch(rb'"quota";r=95;t=(6047\d\d|604800)', quota)


def test_a_call_that_no_limit_counts_tells_nothing_of_its_own(gateway, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nRateLimit: its-own\r\nContent-Length: 0\r\n\r\n")
    answer = ask(gateway.connect(), 5)
    assert (answer.all("RateLimit"), answer.all("RateLimit-Policy")) == ([b"its-own"], [])


def test_the_backends_own_fields_are_replaced(gateway, backend):
    backend.answer_with(
        b"HTTP/1.1 200 OK\r\nratelimit: x\r\nX-LEFT: 77\r\nX-Kept: 1\r\nRateLimit-Policy: y\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    answer = ask(gateway.connect(), 1)
    assert (len(answer.all("RateLimit")), len(answer.all("RateLimit-Policy"))) == (1, 1)
    assert (answer.all("X-Left"), answer.header("X-Kept"), answer.header("Content-Length")) == ([b"4"], b"1", b"0")


def test_a_counted_call_whose_backend_fails_is_told_too(gateway, backend):
    backend.answer_with(b"nonsense\r\n\r\n")
    answer = ask(gateway.connect(), 1)
    assert (answer.status, answer.header("X-Left")) == (502, b"4")


def test_only_calls_that_may_go_to_the_backend_count(start_gateway, backend):
    gateway = start_gateway(echo_snapshot(f"http://127.0.0.1:{backend.port}"))

    def statuses(*requests: tuple[str, str]) -> list[int]:
        head = "{} HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K2\r\n{}\r\n"
        method_and_lines = [(start.split()[0], head.format(start, lines).encode()) for start, lines in requests]
        return [gateway.ask(sent, method).status for method, sent in method_and_lines]

    not_counted = {
        ("BREW /echo/a", ""): 404,
        ("GET /echo/%zz", ""): 400,
        ("POST /echo/a", f"Content-Length: {2**40}\r\n"): 413,
        ("GET /echo/a", f"Via: 1.1 {gateway.name.decode()}\r\n"): 508,
        ("OPTIONS /echo/a", "Max-Forwards: 0\r\n"): 200,
    }
    assert statuses(*not_counted) == [*not_counted.values()]
    assert statuses(("HEAD /echo/a", ""), *not_counted, ("GET /echo/a", "")) == [200, *not_counted.values(), 200]
    assert statuses(("GET /echo/a", ""), ("HEAD /echo/a", "")) == [429, 429]
    assert statuses(*not_counted) == [*not_counted.values()]
    assert len(backend.requests) == 2
    gateway.hang_up()


def test_apis_and_operations_have_limits_of_their_own(gateway):
    client = gateway.connect()
    calls = ["/one/a", "/one/a", "/one/b", "/one/b", "/two/a"]
    assert [ask(client, 2, target).status for target in calls] == [200, 429, 200, 429, 200]
    assert [record.inner_rates for record in gateway.records()] == [
        ((1, 0, 3600), (1, 11, 3600)),
        (),
        ((1, 0, 3600),),
        (),
        (),
    ]


def test_bytes_in_both_directions_count(gateway, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b"x" * 600)
    client = gateway.connect()
    answers = [ask(client, 3, "/one/a", f"X-Padding: {'y' * 300}\r\n") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 403]
    assert re.search(
        rb"Out of bandwidth quota\. Quota will be replenished in (00:5\d:\d\d|01:00:00)\.", answers[1].body
    )
    first, refused = gateway.records()
    assert first.quota_bytes == first.request_bytes + first.response_bytes > 1024
    assert refused.quota_calls is None
    assert b'"bandwidth";r=0;' in answers[1].header("RateLimit")


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_every_count_outlives_the_process(start_gateway, gateway, backend, is_killed):
    client = gateway.connect()
    assert [ask(client, 2, target).status for target in ("/one/a", "/one/b")] == [200, 200]
    assert [ask(client, 3, "/two/a").status, ask(client, 4).status] == [200, 200]
    before = gateway.records()
    wait_for(lambda: len(gateway.records()) == 4)
    gateway.kill() if is_killed else gateway.stop()
    again = start_gateway(limited(backend.port), again=gateway)
    client = again.connect()
    assert [ask(client, 2, target).status for target in ("/one/b", "/two/a")] == [429, 200]
    assert [ask(client, 3, "/two/b").status, ask(client, 3, "/one/a").status] == [403, 200]
    ask(client, 4)
    last, first = again.records()[-1], before[-1]
    assert (last.quota_period_start, last.quota_calls) == (first.quota_period_start, 2)
    assert last.quota_bytes == first.quota_bytes + last.request_bytes + last.response_bytes
