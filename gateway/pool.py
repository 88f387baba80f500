"""Kept-alive connections to backends, and new ones."""

import asyncio
import logging
import socket
import ssl
from asyncio import staggered
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gateway import tasks
from gateway.backend import Backend
from gateway.call import Call
from gateway.log import Sparingly
from gateway.resolver import Address, Resolver
from gateway.upstream import Upstream

if TYPE_CHECKING:
    from gateway.caller import Caller
    from gateway.server import Server

# RFC 8305 5: the next address is tried when the one before has not answered for so long.
_ATTEMPT_DELAY_SECONDS = 0.25

_unreachable = Sparingly(logging.WARNING, "backend unreachable: api=%s request=%s cause=%s")


class Pool:
    """The connection used last is taken first, so that the others can grow old and go."""

    def __init__(self, server: "Server", tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._idle: dict[Backend, list[Upstream]] = {}
        self._tls = tls or ssl.create_default_context()
        self._resolver = Resolver()

    def take(self, backend: Backend) -> Upstream | None:
        idle = self._idle.get(backend)
        while idle:
            upstream = idle.pop()
            if upstream.is_open():
                return upstream
        return None

    def put(self, upstream: Upstream) -> None:
        limits = self._server.limits
        idle = upstream.idle
        if len(idle) >= limits.backend_idle_connections or self._server.is_draining:
            upstream.abort()
            return
        upstream.deadline = self._server.time + limits.backend_idle_seconds
        idle.append(upstream)

    def close(self) -> None:
        for upstream in [upstream for idle in self._idle.values() for upstream in idle]:
            upstream.abort()

    def connect(self, backend: Backend, caller: "Caller", call: Call) -> None:
        """Open a connection and give it to the caller, if by then the call still wants one."""
        tasks.start(self._connect(backend, caller, call), name=f"connect to API {call.verdict.api}")

    async def _connect(self, backend: Backend, caller: "Caller", call: Call) -> None:
        try:
            async with asyncio.timeout(self._server.limits.backend_connect_seconds):
                upstream = await self._open(backend)
        except (OSError, TimeoutError, UnicodeError, ssl.CertificateError) as error:
            api = call.verdict.api
            _unreachable.log(api, self._server.time, api, call.request_id.decode(), type(error).__name__)
            if caller.call is call:
                caller.fail(
                    502, "The backend service cannot be reached.", "forward-request", "BackendConnectionFailure"
                )
            return
        if caller.call is call:
            caller.connected(upstream)
        else:
            self.put(upstream)

    async def _open(self, backend: Backend) -> Upstream:
        """Raises OSError where no address of the host accepts."""
        loop = asyncio.get_running_loop()
        connection = await self._dial(backend)
        try:
            _, upstream = await loop.create_connection(
                lambda: Upstream(self._server, backend, self._idle.setdefault(backend, [])),
                sock=connection,
                ssl=self._tls if backend.tls else None,
                server_hostname=backend.host if backend.tls else None,
            )
        except BaseException:
            connection.close()
            raise
        return upstream

    async def _dial(self, backend: Backend) -> socket.socket:
        """Where nothing accepts, the host may have moved since its name was looked up."""
        try:
            return await _race(await self._resolver.addresses(backend.host, backend.port))
        except OSError:
            if not self._resolver.distrust(backend.host):
                raise
            return await _race(await self._resolver.addresses(backend.host, backend.port))


async def _race(addresses: Sequence[Address]) -> socket.socket:
    """The first connection that one of the addresses accepts (RFC 8305 5)."""
    if len(addresses) == 1:
        return await _dial(addresses[0])
    winner: socket.socket | None
    winner, _, errors = await staggered.staggered_race(
        [partial(_dial, address) for address in addresses], _ATTEMPT_DELAY_SECONDS
    )
    if winner is None:
        raise next(error for error in errors if error is not None)
    return winner


async def _dial(address: Address) -> socket.socket:
    connection = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, address[1])
    except BaseException:
        connection.close()
        raise
    return connection
