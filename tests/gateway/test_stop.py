"""What a connection is told that the loop had accepted already when the gateway was stopped."""

import asyncio
import socket
from types import SimpleNamespace

import pytest
import uvloop

from gateway.calls.caller import Caller
from gateway.http.client_address import TrustedProxies
from gateway.limits.counters import Counters
from gateway.server import Server, ServerLimits

HEALTH = b"GET /status-0123456789abcdef HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = ServerLimits(
    head_bytes=2**15,
    head_fields=100,
    head_seconds=60.0,
    body_bytes=2**20,
    body_seconds=60.0,
    body_minimum_bytes_per_second=0,
    idle_seconds=60.0,
    websocket_idle_seconds=60.0,
    connections=10,
    backend_connect_seconds=5.0,
    backend_seconds=60.0,
    backend_idle_seconds=30.0,
    backend_idle_connections=10,
)


@pytest.mark.parametrize("asks", [True, False])
def test_a_connection_that_comes_in_at_the_moment_of_the_stop_does_not_hold_it_up(asks):
    async def connect_late() -> bytes:
        journal = SimpleNamespace(flush=lambda: None, tick=lambda now: None)
        server = Server("gateway", LIMITS, Counters(), journal, TrustedProxies(()))
        server.is_draining = True
        ours, theirs = socket.socketpair()
        await asyncio.get_running_loop().create_connection(lambda: Caller(server), sock=ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        if asks:
            writer.write(HEALTH)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    answer = uvloop.run(connect_late())
    assert (answer.startswith(b"HTTP/1.1 503 "), b"\r\nConnection: close\r\n" in answer) == (asks, asks)
