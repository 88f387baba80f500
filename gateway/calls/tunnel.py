"""What a WebSocket is to the gateway (RFC 6455): two connections, joined, whose bytes it passes on untouched.

It begins once the backend's 101 has left for the caller, after the call's record, so that a crash
loses no call that anybody saw accepted. The call is over then: what the tunnel carries is in no record.
"""

import asyncio
from typing import TYPE_CHECKING

from gateway.http.unsent import unsent_bytes

if TYPE_CHECKING:
    from gateway.calls.caller import Caller
    from gateway.upstream.connection import Upstream


class TunnelEnd(asyncio.Protocol):
    """One end: what comes in here goes out at `other`, which sets the pace. `_owner` is who spoke HTTP here.

    The caller's deadline is the tunnel's: it passes when no byte has moved for a while.
    """

    __slots__ = ("_caller", "_has_ended", "_is_open", "_is_slow", "_owner", "_transport", "_unsent", "other")

    other: "TunnelEnd"

    def __init__(self, owner: "Caller | Upstream", caller: "Caller", transport: asyncio.Transport) -> None:
        self._owner = owner
        self._caller = caller
        self._transport = transport
        self._has_ended = False
        self._is_open = False
        self._is_slow = False
        self._unsent = 0
        transport.set_protocol(self)

    def open(self, first: bytes, *, is_slow: bool) -> None:
        """Let bytes pass: `first` go out here, then what comes in at either end, at once unless the other one is slow.

        `is_slow` where this one was so before it was an end of the tunnel.
        """
        self._touch()
        self._is_slow = self._is_slow or is_slow
        if first:
            self._transport.write(first)
        for end in (self, self.other):
            end._is_open = True
            if not end.other._is_slow:
                end._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._touch()
        self._unsent = self.other._unsent = 0
        self.other._transport.write(data)

    def eof_received(self) -> bool:
        """The end of one direction leaves the other open, where the transport can do that: TLS cannot."""
        self._has_ended = True
        other = self.other
        if other._has_ended or not other._transport.can_write_eof():
            other._close()
            return False
        other._transport.write_eof()
        return self._transport.can_write_eof()

    def pause_writing(self) -> None:
        self._is_slow = True
        self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_slow = False
        if self._is_open:
            self.other._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.connection_lost(exc)
        self.other._close()

    def expired(self) -> None:
        """Nothing has come in for a while: all the same it goes on while either side takes what waits for it."""
        before, self._unsent = self._unsent, sum(unsent_bytes(end._transport) for end in (self, self.other))
        if self._transport.is_closing() or not self._unsent or (before and self._unsent >= before):
            self.cut()
        else:
            self._touch()

    def cut(self) -> None:
        """End both connections at once."""
        self._transport.abort()
        self.other._transport.abort()

    def _touch(self) -> None:
        server = self._caller.server
        self._caller.deadline = server.time + server.limits.websocket_idle_seconds

    def _close(self) -> None:
        """Hang up once what waits has been read; the owner's deadline bounds that."""
        server = self._caller.server
        self._owner.deadline = server.time + server.limits.body_seconds
        self._transport.close()


def join(
    caller: "Caller", upstream: "Upstream", transports: tuple[asyncio.Transport, asyncio.Transport], early: bytes
) -> TunnelEnd:
    """Make a tunnel of a caller's and a backend's connection; returns the caller's end, to be opened.

    Nothing goes to the caller before. `early` is what the caller has sent behind its handshake.
    """
    to_caller, to_backend = transports
    to_backend.pause_reading()
    end, other = TunnelEnd(caller, caller, to_caller), TunnelEnd(upstream, caller, to_backend)
    end.other, other.other = other, end
    if early:
        to_backend.write(early)
    return end
