"""A name that does not resolve hurts nobody but itself."""

import asyncio
import socket
import threading

import pytest

from gateway.upstream import resolver as resolver_module
from gateway.upstream.resolver import SLOW_THREADS, Resolver


class NameServer:
    """Knows every name, unless told otherwise: an error, or an Event to wait for before the answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, OSError | threading.Event] = {}
        self._getaddrinfo = socket.getaddrinfo

    def look_up(self, host, port, **options):
        if options["flags"]:
            return self._getaddrinfo(host, port, **options)
        self.asked.append(host.decode())
        answer = self.answers.get(host.decode())
        if isinstance(answer, OSError):
            raise answer
        if answer is not None:
            answer.wait()
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port)),
        ]


FOUND = [(socket.AF_INET6, ("2001:db8::1", 80, 0, 0)), (socket.AF_INET, ("192.0.2.1", 80))]


@pytest.fixture
def names(monkeypatch):
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.look_up)
    yield server
    for answer in server.answers.values():
        if isinstance(answer, threading.Event):
            answer.set()


@pytest.mark.parametrize(
    ("literal", "address"),
    [("192.0.2.7", ("192.0.2.7", 80)), ("2001:db8::7", ("2001:db8::7", 80, 0, 0)), ("127.1", ("127.0.0.1", 80))],
)
def test_a_literal_is_not_looked_up(literal, address, names):
    ((_, found),) = asyncio.run(Resolver().addresses(literal, 80))
    assert found == address
    assert names.asked == []


def test_all_who_wait_share_one_look_up_and_others_go_on(names):
    async def run():
        resolver, released = Resolver(), threading.Event()
        names.answers["dead.test"] = released
        waiting = [asyncio.ensure_future(resolver.addresses("dead.test", 80)) for _ in range(100)]
        assert await resolver.addresses("alive.test", 80) == FOUND
        waiting.pop().cancel()
        released.set()
        assert await asyncio.gather(*waiting) == [FOUND] * 99
        assert await resolver.addresses("dead.test", 80) == FOUND

    asyncio.run(run())
    assert sorted(names.asked) == ["alive.test", "dead.test"]


def test_a_failure_is_remembered_too(names):
    async def run():
        resolver = Resolver()
        for _ in range(3):
            with pytest.raises(socket.gaierror, match="unknown"):
                await resolver.addresses("none.test", 80)

    names.answers["none.test"] = socket.gaierror(socket.EAI_NONAME, "unknown")
    asyncio.run(run())
    assert names.asked == ["none.test"]


@pytest.mark.parametrize(
    ("error", "is_used"),
    [
        pytest.param(socket.EAI_AGAIN, True, id="name server is down"),
        pytest.param(socket.EAI_NONAME, False, id="name is gone"),
    ],
)
def test_old_addresses_are_used_while_the_name_server_cannot_say(error, is_used, names, monkeypatch):
    async def run():
        resolver = Resolver()
        monkeypatch.setattr(resolver_module, "FRESH_SECONDS", 0)
        assert await resolver.addresses("a.test", 80) == FOUND
        names.answers["a.test"] = socket.gaierror(error, "no")
        if is_used:
            assert await resolver.addresses("a.test", 80) == FOUND
        else:
            with pytest.raises(socket.gaierror):
                await resolver.addresses("a.test", 80)

    asyncio.run(run())
    assert names.asked == ["a.test"] * 2


def test_old_addresses_are_used_while_the_name_server_does_not_answer(names, monkeypatch):
    async def run():
        resolver = Resolver()
        monkeypatch.setattr(resolver_module, "FRESH_SECONDS", 0)
        monkeypatch.setattr(resolver_module, "PATIENCE_SECONDS", 0)
        assert await resolver.addresses("a.test", 80) == FOUND
        names.answers["a.test"] = threading.Event()
        for _ in range(3):
            assert await resolver.addresses("a.test", 80) == FOUND

    asyncio.run(run())
    assert names.asked.count("a.test") <= 2


def test_slow_names_hold_few_threads(names, monkeypatch):
    async def run():
        resolver, slow = Resolver(), [f"{number}.dead.test" for number in range(10)]
        for name in slow:
            names.answers[name] = socket.gaierror(socket.EAI_AGAIN, "timeout")
        monkeypatch.setattr(resolver_module, "SLOW_SECONDS", 0)
        monkeypatch.setattr(resolver_module, "FAILED_SECONDS", 0)
        await asyncio.gather(*(resolver.addresses(name, 80) for name in slow), return_exceptions=True)
        names.asked.clear()
        for name in slow:
            names.answers[name] = threading.Event()
        waiting = [asyncio.ensure_future(resolver.addresses(name, 80)) for name in slow]
        failed, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert len(failed) == 10 - SLOW_THREADS
        assert all(isinstance(one.exception(), OSError) for one in failed)
        assert await resolver.addresses("alive.test", 80) == FOUND

    asyncio.run(run())
    assert len(names.asked) == SLOW_THREADS + 1


def test_a_host_that_cannot_be_reached_is_looked_up_again_but_not_each_time(names, monkeypatch):
    async def run():
        resolver = Resolver()
        await resolver.addresses("a.test", 80)
        assert not resolver.distrust("a.test")
        monkeypatch.setattr(resolver_module, "FAILED_SECONDS", 0)
        assert resolver.distrust("a.test")
        assert not resolver.distrust("192.0.2.1")
        await resolver.addresses("a.test", 80)

    asyncio.run(run())
    assert names.asked == ["a.test"] * 2
