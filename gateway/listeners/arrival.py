"""A connection that is not a caller's yet: before it come a PROXY header, a TLS handshake, or both.

Until a connection has shown what it is, it costs a socket and no more. It counts as a connection all
the while, and all of it has to be done in the time that a request head has.
"""

import asyncio
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Final

from gateway import tasks
from gateway.calls.caller import Caller
from gateway.deadline import NEVER
from gateway.http import replies
from gateway.http.request_id import new_request_id
from gateway.listeners.proxy_protocol import BINARY_LIMIT_BYTES, BadHeader, header_size, source
from gateway.log import Sparingly
from gateway.protocol import as_protocol

if TYPE_CHECKING:
    from gateway.server import Server

# The first byte of a TLS connection says that a handshake follows (RFC 8446 5.1).
_HANDSHAKE: Final = b"\x16"
# The caller's own deadlines tell a slow reader from one that has left; the transport must not do so before.
_SHUTDOWN_SECONDS: Final = 30 * 86400.0

_turned_away: Final = Sparingly(logging.INFO, "connection refused: cause=%s peer=%s reason=%s")


class Arrival:
    """`peer` is the caller's address, as far as it is known. `deadline` is of the server's clock."""

    __slots__ = ("_connection", "_handshake", "_header", "_loop", "_server", "_tls", "deadline", "peer")

    def __init__(
        self, server: "Server", connection: socket.socket, peer: str, tls: ssl.SSLContext | None, *, is_proxied: bool
    ) -> None:
        self.peer = peer
        self.deadline = server.time + server.limits.head_seconds
        self._server = server
        self._connection = connection
        self._tls = tls
        self._header: bytes | None = b"" if is_proxied else None
        self._handshake: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        if not self._server.welcome(self):
            self._turn_away("capacity", "there are too many connections")
        elif self._header is not None and not self._server.proxies.holds(self.peer):
            self._turn_away("proxy protocol", "it is none of TRUSTED_PROXIES")
        else:
            self._loop.add_reader(self._connection, self._read)

    def _read(self) -> None:
        """Read as far as the caller's own first byte, and that one not."""
        try:
            if self._header is not None:
                self._read_header(self._header)
            if self._header is None and (self._tls is None or self._begins_tls()):
                self._loop.remove_reader(self._connection)
                self._handshake = tasks.start(self._enter(), name="TLS handshake")
        except (BlockingIOError, InterruptedError):
            return
        except BadHeader as error:
            self._turn_away("proxy protocol", str(error))
        except OSError:
            # It has ended without a word of a caller's: so load balancers look whether the gateway is there.
            self._close()

    def _read_header(self, known: bytes) -> None:
        received = known + self._peek(BINARY_LIMIT_BYTES - len(known))
        size = header_size(received)
        header = received if size is None else received[:size]
        self._connection.recv(len(header) - len(known))
        if len(header) != size:
            self._header = header
            return
        self._header = None
        self.peer = source(header) or self.peer

    def _begins_tls(self) -> bool:
        if self._peek(1) == _HANDSHAKE:
            return True
        self._connection.recv(2**16)
        message = "This port speaks HTTPS, and the request was sent without TLS."
        body = replies.error_body(400, message)
        self._connection.send(replies.reply(400, body, request_id=new_request_id(), connection=b"close"))
        self._turn_away("tls", "it began without TLS")
        return False

    def _peek(self, size: int) -> bytes:
        """Raises OSError at the connection's end."""
        received = self._connection.recv(size, socket.MSG_PEEK)
        if not received:
            raise ConnectionResetError
        return received

    async def _enter(self) -> None:
        """Hand the connection over to a caller."""
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(self._caller, self._connection)
            else:
                await self._loop.connect_accepted_socket(
                    self._caller,
                    self._connection,
                    ssl=self._tls,
                    ssl_handshake_timeout=self._server.limits.head_seconds,
                    ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
                )
        except OSError as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            _turned_away.log("tls", self._server.time, "tls", self.peer, reason)
        finally:
            self.leave()

    def _caller(self) -> asyncio.Protocol:
        return as_protocol(Caller(self._server, self))

    def leave(self) -> None:
        """It is a caller's from now on, or gone."""
        self.deadline = NEVER
        self._server.goodbye(self)

    def _turn_away(self, cause: str, reason: str) -> None:
        _turned_away.log(cause, self._server.time, cause, self.peer, reason)
        self._close()

    def _close(self) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
        else:
            self._loop.remove_reader(self._connection)
            self._connection.close()
        self.leave()

    # -- The server calls these --------------------------------------------------------------------

    def expired(self) -> None:
        self._turn_away("time", "it took too long")

    def part(self, deadline: float) -> bool:
        """Another process takes over: what is not a caller's by the deadline will not be one here."""
        self.deadline = min(self.deadline, deadline)
        return True

    def drain(self) -> None:
        self._close()

    def give_up(self) -> None:
        self._close()
