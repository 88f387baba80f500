"""A machine's clock that is set an hour forth and back while calls come in."""

import os
import time
from collections.abc import Iterator

import msgspec
import pytest

from gateway.configuration import key_digest
from gateway.configuration.snapshot import Product, Quota, RateLimit, Subscription
from tests.gateway.conftest import Gateway, echo_snapshot, wait_for
from tests.gateway.raw import OK

HOUR = 3600
RATE, RATE_SECONDS = 5, 6
QUOTA, QUOTA_SECONDS = 3, 1800


class Clocked(Gateway):
    """`set_clock(-HOUR)`: from now on an hour slow."""

    def set_clock(self, seconds: int) -> None:
        fresh = self.directory / "clock.new"
        fresh.write_text(str(seconds))
        fresh.replace(self.directory / "clock")


@pytest.fixture
def clocked(tmp_path, backend) -> Iterator[Clocked]:
    """K1 opens all without limits, K4 with a rate, K5 with a quota."""
    base = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
    secret = key_digest.digest_secret(os.environ["KEY_ENCRYPTION_KEY"])
    products = (Product(4, (1,), RateLimit(RATE, RATE_SECONDS)), Product(5, (1,), None, Quota(QUOTA, QUOTA_SECONDS)))
    subscriptions = tuple(
        Subscription(bytes([number]) * 16, 7, number, None, True, None, (key_digest.digest(secret, b"K%d" % number),))
        for number in (4, 5)
    )
    configuration = msgspec.structs.replace(
        base, products=base.products + products, subscriptions=base.subscriptions + subscriptions
    )
    (tmp_path / "clock").write_text("0")
    gateway = Clocked(
        tmp_path,
        configuration,
        "tests.gateway.with_clock",
        CLOCK_FILE=tmp_path / "clock",
        HEAD_TIMEOUT_SECONDS=60,
        IDLE_TIMEOUT_SECONDS=2,
    )
    yield gateway.wait_until_it_listens()
    gateway.kill()


def request(key: int = 1, target: bytes = b"/echo/a") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K%d\r\n\r\n" % (target, key)


def statuses(gateway: Gateway, key: int, calls: int) -> list[int]:
    client = gateway.connect()
    return [client.ask(request(key)).status for _ in range(calls)]


def test_a_rate_limit_holds_and_locks_nobody_out(clocked):
    assert statuses(clocked, 4, RATE + 1) == [200] * RATE + [429]
    clocked.set_clock(-HOUR)
    answer = clocked.ask(request(4))
    assert answer.status == 429
    assert int(answer.header("Retry-After")) <= RATE_SECONDS
    client, passed = clocked.connect(), []

    def has_passed() -> bool:
        sent = time.monotonic()
        if client.ask(request(4)).status == 200:
            passed.append((sent, time.monotonic()))
        return len(passed) > RATE

    wait_for(has_passed)
    (sent, _), (_, answered) = passed[0], passed[RATE]
    assert answered - sent >= RATE_SECONDS


def test_a_quota_period_lasts_no_longer_and_lets_no_more_through(clocked):
    assert statuses(clocked, 5, QUOTA + 1) == [200] * QUOTA + [403]
    clocked.set_clock(HOUR)
    # A clock that jumps ahead is believed, as after a machine's sleep: another period has begun.
    assert statuses(clocked, 5, QUOTA + 1) == [200] * QUOTA + [403]
    clocked.set_clock(0)
    answer = clocked.ask(request(5))
    assert answer.status == 403
    assert int(answer.header("Retry-After")) <= QUOTA_SECONDS
    assert answer.header("RateLimit").startswith(b'"quota";r=0;t=')
    assert statuses(clocked, 5, 5) == [403] * 5
    clocked.set_clock(QUOTA_SECONDS)
    assert statuses(clocked, 5, QUOTA + 1) == [200] * QUOTA + [403]


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forth", "back"])
def test_no_deadline_goes_by_it(step, clocked, backend):
    def answer_after_the_step(connection):
        backend.take(connection)
        clocked.set_clock(step)
        time.sleep(0.5)
        connection.send(OK)
        backend.answer_each(connection)

    backend.behave = answer_after_the_step
    client, slow = clocked.connect(), clocked.connect()
    slow.send(b"GET /echo/a HTTP/1.1\r\n")
    assert client.ask(request()).status == 200
    assert client.ask(request()).status == 200
    assert client.is_closed()
    slow.send(b"Host: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n")
    assert slow.read_response().status == 200


def test_all_records_are_there_in_their_order(clocked):
    client = clocked.connect()
    targets = []
    for step in (0, HOUR, 0, -HOUR, 0):
        clocked.set_clock(step)
        for number in range(20):
            targets.append(b"/echo/%d?%d" % (number, step))
            assert client.ask(request(target=targets[-1])).status == 200
    wait_for(lambda: len(clocked.records()) == len(targets))
    assert [record.url for record in clocked.records()] == targets
