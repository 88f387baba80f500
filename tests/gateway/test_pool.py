"""Calls that wait for one of a limited number of connections."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.upstream.backend import backend_of
from gateway.upstream.pool import Connections, Pool


def run(coroutine) -> None:
    asyncio.run(coroutine)


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_failure_that_nobody_foresaw_ends_the_call():
    ends = []

    class Caller(SimpleNamespace):
        def fail(self, *what):
            ends.append(what[0])

    async def connect() -> None:
        call = SimpleNamespace(debug=None, verdict=SimpleNamespace(api=1))
        pool = Pool(SimpleNamespace(limits=SimpleNamespace(backend_connect_seconds=1.0)))
        pool.connect(backend_of("http://a"), Caller(call=call, outgoing=SimpleNamespace(attempts=None)), call)
        await turn()

    run(connect())
    assert ends == [502]


def test_places_are_given_in_the_order_of_asking():
    async def ask() -> None:
        connections, order = Connections("b.test", 1, 1), []

        async def call(number: int) -> None:
            assert await connections.place() is None
            order.append(number)

        await call(0)
        waiting = [asyncio.ensure_future(call(number)) for number in range(1, 4)]
        for count in range(1, 4):
            await turn()
            assert order == list(range(count))
            connections.vacate()
        await asyncio.gather(*waiting)
        assert order == [0, 1, 2, 3]
        connections.vacate()
        assert connections.open == 0

    run(ask())


def test_nobody_overtakes_those_who_wait():
    async def ask() -> None:
        connections = Connections("b.test", 1, 1)
        await connections.place()
        waiting = asyncio.ensure_future(connections.place())
        await turn()
        connections.vacate()
        late = asyncio.ensure_future(connections.place())
        await turn()
        assert (waiting.done(), late.done()) == (True, False)
        connections.vacate()
        await late

    run(ask())


@pytest.mark.parametrize("is_given_already", [False, True])
def test_who_gives_up_leaves_its_place_to_the_next(is_given_already):
    async def ask() -> None:
        connections = Connections("b.test", 1, 1)
        await connections.place()
        leaving, last = asyncio.ensure_future(connections.place()), asyncio.ensure_future(connections.place())
        await turn()
        if is_given_already:
            connections.vacate()
            leaving.cancel()
        else:
            leaving.cancel()
            await turn()
            connections.vacate()
        await last
        assert leaving.cancelled()
        assert (connections.open, len(connections.waiting)) == (1, 0)

    run(ask())


def test_without_a_limit_nobody_waits():
    async def ask() -> None:
        connections = Connections("b.test", 1, None)
        assert [await connections.place() for _ in range(100)] == [None] * 100
        assert connections.open == 100

    run(ask())


def test_nobody_waits_beside_a_connection_that_has_become_idle_meanwhile():
    async def ask() -> None:
        connections, idle = Connections("b.test", 1, 1), object()
        await connections.place()
        connections.idle.append(idle)
        assert await connections.place() is idle
        assert connections.idle == []

    run(ask())
