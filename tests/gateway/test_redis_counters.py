"""Calls that wait together for Redis's answer do not share each other's troubles."""

import asyncio

import msgspec
import pytest

from gateway.configuration.snapshot import RateLimit
from gateway.limits.counters import Counters
from gateway.limits.redis_connection import address_of
from gateway.limits.redis_counters import RedisCounters
from tests.gateway.test_limits import call

PASSES = [0, 0, 1, 1_000_000]


class Connection:
    """Keeps the function that wants the reply."""

    def send(self, *command, reply):
        self.reply = reply

    def close(self):
        pass


def told(become) -> list[int | None]:
    """What three calls that are asked about at once are told: a status, or None for going on."""
    statuses: list[int | None] = []

    async def ask() -> None:
        counters = RedisCounters(address_of("redis://a"), Counters(), timeout_seconds=60, refuses_alone=False)
        counters._start_connecting = lambda: None
        counters._connection = connection = Connection()
        counters.is_up = True
        for _ in range(3):
            counters.ask(call(RateLimit(5, 60)), 1.0, lambda no: statuses.append(no.status if no else None))
        await asyncio.sleep(0)
        become(counters, connection)
        counters._under_way.clear()
        await counters.close()

    asyncio.run(ask())
    return statuses


def answer(*answers):
    return lambda _, connection: connection.reply(msgspec.msgpack.encode((1_000_000, answers)))


def lose_with_a_broken_counter(counters, connection):
    take, calls = counters.local.take, []

    def take_but_once(admitted, now):
        calls.append(admitted)
        if len(calls) == 2:
            raise KeyError("unforeseen")
        return take(admitted, now)

    counters.local.take = take_but_once
    counters._lose("no answer")


@pytest.mark.parametrize(
    ("become", "statuses"),
    [
        pytest.param(answer(PASSES, PASSES, PASSES), [None, None, None], id="a good answer"),
        pytest.param(answer(PASSES, [0, 0], PASSES), [None, 503, None], id="one that cannot be read"),
        pytest.param(answer(PASSES), [None, None, None], id="too few of them: this gateway decides alone"),
        pytest.param(lose_with_a_broken_counter, [None, 503, None], id="one that cannot be decided alone"),
    ],
)
def test_each_call_that_waits_is_told(become, statuses):
    assert told(become) == statuses
