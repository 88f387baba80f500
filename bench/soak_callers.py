"""The callers of the soak test: each kind makes its calls over and over, and knows what must come of them."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bench.soak_backend import EVENTS, LARGE_BYTES, SCORED

# While the backend is away, and for so long around it, calls may fail.
AROUND_SECONDS = 1.0
PROVOKED = (502, 503, 504)
PAUSE_SECONDS = 0.02
UPLOAD_BYTES = 2**20


class Cut(Exception):
    """The connection ended before the answer did; `is_unanswered` where not a byte of it had come."""

    def __init__(self, is_unanswered: bool) -> None:
        super().__init__("cut off")
        self.is_unanswered = is_unanswered


@dataclass
class Soak:
    """What all callers share. `key` is one that works now; `mistakes` are answers that should not have come."""

    port: int
    tls_port: int
    key: str
    ends_at: float
    troubles: list[tuple[float, float]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)
    is_troubled: bool = False

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    def was_troubled(self, began: float) -> bool:
        """Whether the backend was away at some time since then."""
        now = time.monotonic()
        return self.is_troubled or any(
            start - AROUND_SECONDS < now and began < end + AROUND_SECONDS for start, end in self.troubles
        )

    def judge(self, kind: str, began: float, is_good: bool, what: str, *, may_be_provoked: bool = True) -> None:
        if is_good:
            self.answers[kind] += 1
        elif may_be_provoked and self.was_troubled(began):
            self.answers[f"{kind}, backend away"] += 1
        else:
            seconds = time.monotonic() - began
            self.mistakes.append(f"{time.strftime('%H:%M:%S')} {kind}: {what}, after {seconds:.1f} seconds")


class Connection:
    """A kept connection to the gateway, made anew when it has ended."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        self._port, self._tls, self._receive_buffer = port, tls, receive_buffer
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        connection = socket.socket()
        if self._receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
        name = "localhost" if self._tls is not None else None
        self.reader, self._writer = await asyncio.open_connection(
            sock=connection, ssl=self._tls, server_hostname=name, limit=2**16
        )

    async def ask(self, request: bytes, pieces: int = 1, pause: float = 0.0) -> tuple[int, bytes]:
        """Status and body. A kept connection may have been closed just now: then a new one is asked (RFC 9112 9.3)."""
        is_kept = self._writer is not None
        if not is_kept:
            await self.open()
        try:
            return await self._ask(request, pieces, pause)
        except Cut as error:
            self.close()
            if not is_kept or not error.is_unanswered:
                raise
        await self.open()
        return await self._ask(request, pieces, pause)

    async def _ask(self, request: bytes, pieces: int, pause: float) -> tuple[int, bytes]:
        head = b""
        try:
            size = -(-len(request) // pieces)
            for start in range(0, len(request), size):
                self._writer.write(request[start : start + size])
                await self._writer.drain()
                if pause:
                    await asyncio.sleep(pause)
            head = await self.reader.readuntil(b"\r\n\r\n")
            body = await self._body(head.lower())
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            raise Cut(not head and not getattr(error, "partial", b"")) from error
        if b"\r\nconnection: close\r\n" in head.lower():
            self.close()
        return int(head[9:12]), body

    async def _body(self, head: bytes) -> bytes:
        if b"\r\ncontent-length: " in head:
            return await self.reader.readexactly(int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]))
        body = bytearray()
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return bytes(body)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def close(self, *, by_reset: bool = False) -> None:
        if self._writer is None:
            return
        if by_reset:
            connection = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.close()
        self._writer = None


def request(target: str, key: str, method: str = "GET", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: {key}\r\n{length}\r\n".encode() + body


Make = Callable[[Soak, Connection], Awaitable[tuple[bool, str]]]


async def repeat(soak: Soak, kind: str, make: Make, port: int, pause: float, **options: object) -> None:
    """Make one call after another until the end."""
    connection = Connection(port, **options)
    while not soak.is_over:
        began = time.monotonic()
        try:
            is_good, what = await make(soak, connection)
            soak.judge(kind, began, is_good, what)
        except Cut as error:
            soak.judge(kind, began, False, f"the answer was cut off, unanswered={error.is_unanswered}")
        except Exception as error:
            connection.close()
            soak.judge(kind, began, False, repr(error))
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
    connection.close()


def answered(status: int, *good: int) -> tuple[bool, str]:
    return status in good, f"answered {status}"


async def post(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, body = await connection.ask(request("/echo/execute", soak.key, "POST", b"x" * 400))
    return (True, "") if (status, body) == (200, SCORED) else (False, f"answered {status} with {len(body)} bytes")


async def get(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, body = await connection.ask(request("/echo/small", soak.key))
    return status == 200 and len(body) == 1024, f"answered {status} with {len(body)} bytes"


async def download(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, body = await connection.ask(request("/echo/large", soak.key))
    return status == 200 and len(body) == LARGE_BYTES, f"answered {status} with {len(body)} bytes"


async def upload(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, body = await connection.ask(request("/echo/upload", soak.key, "POST", bytes(UPLOAD_BYTES)))
    return (status, body) == (200, b"%d" % UPLOAD_BYTES), f"answered {status}"


async def write_slowly(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, body = await connection.ask(request("/echo/upload", soak.key, "POST", bytes(20_000)), 20, 0.1)
    return (status, body) == (200, b"20000"), f"answered {status}"


async def read_slowly(soak: Soak, connection: Connection) -> tuple[bool, str]:
    """About three seconds for the whole, with a small buffer of its own."""
    await connection.open()
    connection.send(request("/echo/large", soak.key).replace(b"Host: a", b"Host: a\r\nConnection: close"))
    received = 0
    while part := await connection.reader.read(2**16):
        received += len(part)
        await asyncio.sleep(0.04)
    connection.close()
    return received > LARGE_BYTES, f"got {received} bytes"


async def follow_events(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, body = await connection.ask(request("/echo/events", soak.key))
    return status == 200 and body.count(b"data: tick\n") == EVENTS, f"answered {status} with {len(body)} bytes"


async def wait(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, _ = await connection.ask(request("/echo/slow", soak.key))
    return answered(status, 200)


async def be_refused(soak: Soak, connection: Connection) -> tuple[bool, str]:
    key, target, expected = random.choice(
        [("wrong", "/echo/small", 401), (soak.key, "/nowhere", 404), (soak.key, "/echo/%zz", 400)]
    )
    status, _ = await connection.ask(request(target, key))
    return answered(status, expected)


async def hit_a_limit(soak: Soak, connection: Connection) -> tuple[bool, str]:
    status, _ = await connection.ask(request("/echo/small", "limited"))
    soak.answers[f"limited, {status}"] += 1
    return answered(status, 200, 429)


async def find_silence(soak: Soak, connection: Connection) -> tuple[bool, str]:
    """The backend hangs up, and so may the connection that it was tried on once more."""
    status, _ = await connection.ask(request("/echo/silent", soak.key, "POST", b"x"))
    return answered(status, 502)


async def vanish(soak: Soak, connection: Connection) -> tuple[bool, str]:
    """In all ways: within the head, within the body, within the answer."""
    await connection.open()
    whole = request("/echo/upload", soak.key, "POST", bytes(100_000))
    sent = random.choice(
        [whole[:30], whole[:50_000], whole, request("/echo/large", soak.key), request("/echo/slow", soak.key), b""]
    )
    connection.send(sent)
    await asyncio.sleep(random.choice([0, 0.01, 0.1]))
    connection.close(by_reset=random.random() < 0.5)
    return True, ""


async def talk(soak: Soak, connection: Connection) -> tuple[bool, str]:
    """A WebSocket for two seconds."""
    headers = {"Ocp-Apim-Subscription-Key": soak.key}
    url = f"ws://127.0.0.1:{soak.port}/socket/echo"
    try:
        async with connect(
            url, additional_headers=headers, max_size=None, compression=None, proxy=None, open_timeout=30
        ) as talking:
            # By the clock: on a machine that is starved it would outlive its key, and be hung up.
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                message = bytes(random.randrange(1, 50_000))
                await talking.send(message)
                if await talking.recv() != message:
                    return False, "another message came back"
                await asyncio.sleep(0.1)
    except InvalidStatus as error:
        return answered(error.response.status_code, 101)
    except (ConnectionClosed, EOFError) as error:
        return False, repr(error)
    return True, ""


async def shake_hands(soak: Soak, connection: Connection) -> tuple[bool, str]:
    """A new TLS connection for each five calls."""
    for _ in range(5):
        is_good, what = await post(soak, connection)
        if not is_good:
            break
    connection.close()
    return is_good, what


def callers(soak: Soak, trust: ssl.SSLContext) -> list[Awaitable[None]]:
    """Tasks in waiting: about a hundred callers."""

    def some(count: int, kind: str, make: Make, pause: float = PAUSE_SECONDS, **options: object) -> list:
        port = soak.tls_port if "tls" in options else soak.port
        return [repeat(soak, kind, make, port, pause, **options) for _ in range(count)]

    return [
        *some(12, "posts", post),
        *some(8, "gets", get),
        *some(2, "downloads", download, 0.5),
        *some(2, "uploads", upload, 0.2),
        *some(4, "slow readers", read_slowly, 0.1, receive_buffer=2**14),
        *some(4, "slow writers", write_slowly, 0.1),
        *some(8, "events", follow_events, 0.1),
        *some(8, "websockets", talk, 0.1),
        *some(6, "patient calls", wait, 0.1),
        *some(3, "refused calls", be_refused, 0.05),
        *some(3, "limited calls", hit_a_limit, 0.05),
        *some(1, "silent backend", find_silence, 0.3),
        *some(6, "callers that vanish", vanish, 0.1),
        *some(4, "TLS", shake_hands, 0.1, tls=trust),
        *some(2, "TLS downloads", download, 0.5, tls=trust),
    ]


async def run(soak: Soak, trust: ssl.SSLContext) -> None:
    async with asyncio.TaskGroup() as group:
        for caller in callers(soak, trust):
            group.create_task(caller)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0.5)
