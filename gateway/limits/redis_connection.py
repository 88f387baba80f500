"""A connection to Redis that costs a call next to nothing: no task, one write for all that is asked at once.

Speaks the part of RESP2 that is needed: commands are arrays of bulk strings, replies are strings,
errors and integers, in the order of the commands.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from redis.connection import parse_url

MAX_REPLY_BYTES: Final = 2**26


class RedisError(Exception):
    """Redis refuses a command, or what came is no reply."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """What a URL such as redis://user:password@host:6379/0, rediss:// or unix:// says."""

    host: str = "localhost"
    port: int = 6379
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    tls: bool = False

    def __str__(self) -> str:
        """Without the password: for the log."""
        return self.path or f"{self.host}:{self.port}"


def address_of(url: str) -> RedisAddress:
    """Raises ValueError, without the password in its text."""
    try:
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    except (ValueError, AttributeError):
        raise ValueError("give a URL such as redis://user:password@host:6379/0") from None
    known = {name: options[name] for name in ("host", "port", "path", "username", "password", "db") if name in options}
    return RedisAddress(**known, tls=url.startswith("rediss:"))


Reply = bytes | RedisError


class RedisConnection(asyncio.Protocol):
    """`lost` is called once, with the reason, unless `close` was called before."""

    _transport: asyncio.Transport

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost: Callable[[str], None] | None = lost
        self._received = b""
        self._awaited: deque[Callable[[Reply], None]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection was closed")

    def send(self, *command: bytes, reply: Callable[[Reply], None]) -> None:
        self._awaited.append(reply)
        parts = [b"*%d\r\n" % len(command)]
        for part in command:
            parts += (b"$%d\r\n" % len(part), part, b"\r\n")
        self._transport.write(b"".join(parts))

    async def ask(self, *command: bytes) -> bytes:
        """Raises RedisError."""
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def settle(reply: Reply) -> None:
            if answered.done():
                return
            if isinstance(reply, RedisError):
                answered.set_exception(reply)
            else:
                answered.set_result(reply)

        self.send(*command, reply=settle)
        return await answered

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        position = 0
        try:
            while (found := _reply_at(received, position)) is not None:
                reply, position = found
                if not self._awaited:
                    raise RedisError("a reply that nothing asked for")
                self._awaited.popleft()(reply)
        except RedisError as error:
            self._fail(str(error))
            return
        self._received = received[position:]

    def close(self) -> None:
        self._lost = None
        self._fail("the gateway closes the connection")
        self._transport.abort()

    def _fail(self, why: str) -> None:
        lost, self._lost = self._lost, None
        awaited, self._awaited = self._awaited, deque()
        if lost is not None:
            self._transport.abort()
            lost(why)
        for reply in awaited:
            reply(RedisError(why))


def _reply_at(received: bytes, start: int) -> tuple[Reply, int] | None:
    """A reply and where the next one begins; None where it is not all here. Raises RedisError."""
    end = received.find(b"\r\n", start)
    if end < 0:
        if len(received) - start > MAX_REPLY_BYTES:
            raise RedisError("a reply that is too long")
        return None
    kind, text = received[start : start + 1], received[start + 1 : end]
    if kind in (b"+", b":"):
        return text, end + 2
    if kind == b"-":
        return RedisError(text.decode("utf-8", "replace")), end + 2
    if kind != b"$" or not text.isdigit() or int(text) > MAX_REPLY_BYTES:
        raise RedisError("what came is no reply that is known")
    size = int(text)
    if len(received) < end + 4 + size:
        return None
    return received[end + 2 : end + 2 + size], end + 4 + size


async def connect(address: RedisAddress, lost: Callable[[str], None]) -> RedisConnection:
    """Raises OSError or RedisError."""
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context() if address.tls else None
    if address.path:
        _, connection = await loop.create_unix_connection(lambda: RedisConnection(lost), address.path)
    else:
        _, connection = await loop.create_connection(lambda: RedisConnection(lost), address.host, address.port, ssl=tls)
    try:
        if address.password:
            user = (address.username.encode(),) if address.username else ()
            await connection.ask(b"AUTH", *user, address.password.encode())
        if address.db:
            await connection.ask(b"SELECT", b"%d" % address.db)
    except BaseException:
        connection.close()
        raise
    return connection
