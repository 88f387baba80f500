"""Connections to backends between calls: how long they are kept, which is used next, and when they are left."""

import asyncio
import socket
import threading
from types import SimpleNamespace

import pytest
import uvloop

from gateway.http.forwarding import read_response_head
from gateway.upstream.backend import backend_of
from gateway.upstream.connection import CHECKED_AFTER_SECONDS, Upstream
from gateway.upstream.pool import Connections
from tests.gateway.conftest import wait_for
from tests.gateway.raw import OK, BackendConnection

HEAD = b" HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
GET = b"GET /echo/a" + HEAD
POST = b"POST /echo/a" + HEAD


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5),
        (b"timeout=5, max=100", 5),
        (b'max=100,\tTIMEOUT = "7"', 7),
        (b"max=5", None),
        (b"no-timeout=5", None),
        (b"timeout=-5", None),
        (b"timeout=", None),
        (b"timeout=99999999999999999999", None),
    ],
)
def test_how_long_a_backend_keeps_a_connection_is_read(value, seconds):
    head = b"HTTP/1.1 200 OK\r\nKeep-Alive: " + value + b"\r\nContent-Length: 0\r\n\r\n"
    assert read_response_head(head, to_head=False, websocket_key=None).idle_seconds == seconds


@pytest.mark.parametrize("seconds", [b"0", b"1", b"2"])
def test_an_idle_connection_goes_before_the_backend_closes_it(seconds, gateway, backend):
    ended = []

    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=%b\r\n\r\n" % seconds, 1))
        ended.append(connection.read_to_end())

    backend.behave = behave
    assert gateway.ask(GET).status == 200
    wait_for(lambda: ended == [b""])
    gateway.ask(GET)
    assert len(backend.connections) == 2


def test_what_the_last_answer_said_counts(client, backend):
    backend.answer = OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=4\r\n\r\n", 1)
    assert client.ask(GET).status == 200
    backend.answer = OK
    assert client.ask(GET).status == 200
    threading.Event().wait(4)
    assert client.ask(GET).status == 200
    assert len(backend.connections) == 1


def test_the_connection_used_last_is_used_next(gateway, backend):
    gate, arrived = threading.Semaphore(0), []

    def behave(connection: BackendConnection) -> None:
        while True:
            connection.read_request()
            arrived.append(connection)
            gate.acquire()
            connection.send(OK)

    backend.behave = behave
    clients = [gateway.connect() for _ in range(3)]
    for client in clients:
        client.send(GET)
    wait_for(lambda: len(arrived) == 3)
    for _ in clients:
        gate.release()
    for client in clients:
        client.read_response()
    for _ in range(4):
        gate.release()
        clients[0].ask(GET)
    assert len({id(connection) for connection in arrived[3:]}) == 1


@pytest.mark.parametrize("ends_with", ["close", "bytes"])
@pytest.mark.parametrize("idle", [0.0, CHECKED_AFTER_SECONDS])
def test_after_a_pause_an_end_is_seen_that_the_loop_has_not_come_to(idle, ends_with):
    async def ask() -> None:
        limits = SimpleNamespace(backend_idle_seconds=30.0, backend_seconds=60.0)
        server = SimpleNamespace(limits=limits, upstreams=set(), time=100.0)
        connections = Connections("b.test", 1, None)
        ours, theirs = socket.socketpair()
        _, upstream = await asyncio.get_running_loop().create_connection(
            lambda: Upstream(server, backend_of("http://b.test"), connections), sock=ours
        )
        upstream.deadline = server.time + upstream.idle_seconds
        assert upstream.is_usable(server.time + idle)
        theirs.close() if ends_with == "close" else theirs.send(b"x")
        assert upstream.is_usable(server.time + idle) is (idle == 0.0)
        upstream.abort()
        theirs.close()

    uvloop.run(ask())


def test_a_post_on_a_connection_that_is_closed_at_that_moment_is_sent_once(client, backend):
    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(OK)
        backend.take(connection)
        connection.reset()

    backend.behave = behave
    assert client.ask(POST).status == 200
    assert client.ask(POST).status == 502
    assert len(backend.requests) == 2
    backend.behave = backend.answer_each
    assert client.ask(POST).status == 200
