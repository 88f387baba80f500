"""Kept-alive connections to backends, and new ones."""

import asyncio
import logging
import socket
import ssl
from asyncio import staggered
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gateway import tasks
from gateway.log import Sparingly, logger
from gateway.protocol import as_protocol
from gateway.upstream.backend import Backend
from gateway.upstream.connection import Upstream
from gateway.upstream.resolver import Address, Resolver

if TYPE_CHECKING:
    from gateway.calls.call import Call
    from gateway.calls.caller import Caller
    from gateway.server import Server

# RFC 8305 5: the next address is tried when the one before has not answered for so long.
_ATTEMPT_DELAY_SECONDS = 0.25

_UNREACHABLE = "The backend service cannot be reached."

_unreachable = Sparingly(logging.WARNING, "backend unreachable: api=%s request=%s cause=%s")


class NoPlaceError(Exception):
    """As many connections as the backend may have are in use, and none came free in time."""


class Connections:
    """Those that backends of one key share. `open` counts those that are being opened too.

    `most_open` is None where their number has no limit. `waiting` are calls past it, first come
    first served: each gets an idle connection, or None for leave to open one.
    """

    __slots__ = ("addresses", "host", "idle", "most_idle", "most_open", "open", "waiting")

    def __init__(self, host: str, most_idle: int, most_open: int | None) -> None:
        self.host = host
        self.addresses: Sequence[Address] | None = None
        self.idle: list[Upstream] = []
        self.most_idle = most_idle
        self.most_open = most_open
        self.open = 0
        self.waiting: OrderedDict[asyncio.Future[Upstream | None], None] = OrderedDict()

    async def place(self) -> Upstream | None:
        """An idle connection, or None: then the place for a new one is the caller's to use or to `vacate`."""
        if self.most_open is None or self.open < self.most_open:
            self.open += 1
            return None
        if self.idle:
            # It has become idle since the pool was asked for one.
            return self.idle.pop()
        place: asyncio.Future[Upstream | None] = asyncio.get_running_loop().create_future()
        self.waiting[place] = None
        try:
            return await place
        except asyncio.CancelledError:
            self.waiting.pop(place, None)
            if place.done() and not place.cancelled():
                self._give_back(place.result())
            raise

    def hand_over(self, upstream: "Upstream | None") -> bool:
        """To the one who has waited longest; whether there is one."""
        while self.waiting:
            place, _ = self.waiting.popitem(last=False)
            if not place.done():
                place.set_result(upstream)
                return True
        return False

    def vacate(self) -> None:
        """A connection is gone, or did not come about."""
        if not self.hand_over(None):
            self.open -= 1

    def _give_back(self, upstream: Upstream | None) -> None:
        if upstream is None:
            self.vacate()
        elif not self.hand_over(upstream):
            upstream.abort()


class Pool:
    """The connection used last is taken first, so that the others can grow old and go."""

    def __init__(self, server: "Server") -> None:
        self.connections: dict[bytes, Connections] = {}
        self._server = server
        self._resolver = Resolver()

    def take(self, backend: Backend) -> Upstream | None:
        connections = self.connections.get(backend.key)
        if connections is None:
            return None
        idle, now = connections.idle, self._server.time
        while idle:
            upstream = idle.pop()
            if upstream.is_usable(now):
                return upstream
            upstream.abort()
        return None

    def put(self, upstream: Upstream) -> None:
        connections = upstream.connections
        if connections.waiting and not upstream.is_outdated and connections.hand_over(upstream):
            return
        if len(connections.idle) >= connections.most_idle or upstream.is_outdated:
            upstream.abort()
            return
        upstream.deadline = self._server.time + upstream.idle_seconds
        connections.idle.append(upstream)

    def close(self) -> None:
        """Close what is idle, and keep nothing from now on."""
        for connections in self.connections.values():
            connections.most_idle = 0
            for upstream in list(connections.idle):
                upstream.abort()

    def sweep(self) -> None:
        """Let go of connections to addresses that their hosts no longer have. Call it about each second."""
        moved = []
        for key, connections in list(self.connections.items()):
            if not connections.open and not connections.waiting:
                del self.connections[key]
                continue
            addresses = self._resolver.current(connections.host)
            if addresses is not None and addresses is not connections.addresses:
                connections.addresses = addresses
                moved.append(connections)
        if moved:
            for upstream in list(self._server.upstreams):
                if upstream.connections in moved:
                    upstream.check_address()

    def connect(self, backend: Backend, caller: "Caller", call: "Call") -> None:
        """Open a connection and give it to the caller, if by then the call still wants one."""
        if call.debug is not None:
            call.debug.connects(call, backend)
        tasks.start(self._connect(backend, caller, call), name=f"connect to API {call.verdict.api}")

    async def _connect(self, backend: Backend, caller: "Caller", call: "Call") -> None:
        try:
            await self._connect_for(backend, caller, call)
        except Exception:
            # Nobody else would end the call.
            logger.exception("a connection to a backend came to nothing: api=%s", call.verdict.api)
            if caller.call is call:
                caller.fail(502, _UNREACHABLE, "forward-request", "BackendConnectionFailure")

    async def _connect_for(self, backend: Backend, caller: "Caller", call: "Call") -> None:
        seconds = backend.connect_seconds or self._server.limits.backend_connect_seconds
        if caller.outgoing.attempts is not None:
            seconds = min(seconds, caller.outgoing.attempts.seconds_left())
        try:
            upstream = await self._get(backend, asyncio.get_running_loop().time() + seconds)
        except NoPlaceError:
            if caller.call is call:
                message = "All connections to the backend service are in use."
                caller.outgoing.not_connected(503, message, "BackendConnectionsExhausted", is_full=True)
            return
        except (OSError, TimeoutError, UnicodeError, RuntimeError) as error:
            # RuntimeError is what Python raises where no thread can be started: for authorities, it is needed.
            api = call.verdict.api
            _unreachable.log(api, self._server.time, api, call.request_id.decode(), _cause(error))
            if caller.call is call:
                is_certificate = isinstance(error, ssl.CertificateError)
                reason = "BackendCertificateInvalid" if is_certificate else "BackendConnectionFailure"
                caller.outgoing.not_connected(502, _UNREACHABLE, reason)
            return
        if caller.call is call:
            caller.outgoing.connected(upstream)
        else:
            self.put(upstream)

    async def _get(self, backend: Backend, until: float) -> Upstream:
        """Raises NoPlaceError where no connection may be opened by then, OSError or TimeoutError where none can."""
        connections = self._of(backend)
        while True:
            try:
                async with asyncio.timeout_at(until):
                    upstream = await connections.place()
            except TimeoutError:
                raise NoPlaceError from None
            if upstream is None:
                async with asyncio.timeout_at(until):
                    return await self._open(backend, connections)
            if upstream.is_open():
                return upstream

    def _of(self, backend: Backend) -> Connections:
        connections = self.connections.get(backend.key)
        if connections is None:
            most_idle = backend.idle_connections
            if most_idle is None:
                most_idle = self._server.limits.backend_idle_connections
            if self._server.is_draining:
                most_idle = 0
            connections = Connections(backend.host, most_idle, backend.max_connections)
            self.connections[backend.key] = connections
        return connections

    async def _open(self, backend: Backend, connections: Connections) -> Upstream:
        """Raises OSError where no address of the host accepts."""
        upstream = Upstream(self._server, backend, connections)
        try:
            context = await backend.tls.context() if backend.tls is not None else None
            connection = await self._dial(backend)
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: as_protocol(upstream),
                    sock=connection,
                    ssl=context,
                    server_hostname=backend.host if context is not None else None,
                )
            except BaseException:
                connection.close()
                raise
        except BaseException:
            if upstream.is_made:
                upstream.abort()
            else:
                connections.vacate()
            raise
        if not upstream.is_open():
            raise ConnectionResetError
        return upstream

    async def _dial(self, backend: Backend) -> socket.socket:
        """Where nothing accepts, the host may have moved since its name was looked up."""
        try:
            return await _race(await self._resolver.addresses(backend.host, backend.port))
        except OSError:
            if not self._resolver.distrust(backend.host):
                raise
            return await _race(await self._resolver.addresses(backend.host, backend.port))


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{type(error).__name__}: {error.verify_message}"
    return type(error).__name__


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
