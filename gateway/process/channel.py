"""What the master and a worker tell each other, over a pair of sockets.

A message is its length (4 bytes, little-endian) and a tagged MessagePack structure. The end of the
stream says that the other process is gone.

    master                      worker
                    <- Loaded   has its configuration
    Serve ->                    the one before it in its slot has handed over: it takes journal and listeners
                    <- Serving
    Retire ->                   another worker is to take over
                    <- HandedOver   accepts nothing more, counts nothing more, writes no checkpoint
    Stop ->                     the gateway stops
    Ask ->          <- Status   at any time after Serving
    AskLimits ->    <- Limits   likewise
                    <- Failed   it cannot serve, and ends
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self, TypeAlias

import msgspec

from gateway.limits.standing import SubscriptionLimits

MESSAGE_LIMIT_BYTES = 64 * 2**20

_LENGTH = struct.Struct("<I")


class Serve(msgspec.Struct, frozen=True, tag=True):
    pass


class Retire(msgspec.Struct, frozen=True, tag=True):
    pass


class Stop(msgspec.Struct, frozen=True, tag=True):
    pass


class Ask(msgspec.Struct, frozen=True, tag=True):
    pass


class AskLimits(msgspec.Struct, frozen=True, tag=True):
    """`number` is repeated by the answer."""

    number: int
    subscriptions: tuple[bytes, ...]


class Loaded(msgspec.Struct, frozen=True, tag=True):
    pass


class Serving(msgspec.Struct, frozen=True, tag=True):
    pass


class HandedOver(msgspec.Struct, frozen=True, tag=True):
    pass


class Failed(msgspec.Struct, frozen=True, tag=True):
    reason: str


class Status(msgspec.Struct, frozen=True, tag=True):
    """How a worker does. `metrics` is a dump of its gateway.telemetry.report.Report.

    `revision` is that of the snapshot in use, None without one.
    """

    pid: int
    revision: int | None
    connections: int
    metrics: bytes


class Limits(msgspec.Struct, frozen=True, tag=True):
    """Where the limits of subscriptions stand; those that the gateway does not serve are left out."""

    number: int
    of: dict[bytes, SubscriptionLimits]


Order: TypeAlias = Serve | Retire | Stop | Ask | AskLimits
News: TypeAlias = Loaded | Serving | HandedOver | Failed | Status | Limits

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Order | News] = msgspec.msgpack.Decoder(Order | News)


class Channel:
    """One end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Order | News) -> None:
        """Never waits and never fails: whoever is gone is noticed by `receive`."""
        payload = _encode(message)
        self._writer.write(_LENGTH.pack(len(payload)) + payload)

    async def receive(self) -> Order | News | None:
        """The next message; None when the other process is gone, or talks nonsense."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            if length > MESSAGE_LIMIT_BYTES:
                return None
            return _decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, msgspec.MsgspecError):
            return None

    async def flush(self) -> None:
        """Wait until what was sent is on its way."""
        with suppress(OSError):
            await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
