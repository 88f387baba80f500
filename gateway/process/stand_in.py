"""Who answers callers where no worker does: else they would wait in the kernel's queue, for nobody knows how long.

It says 503 to whatever is asked. What speaks TLS is hung up on, for the master has no certificates.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from gateway import tasks
from gateway.http import replies
from gateway.http.request_id import new_request_id
from gateway.listeners.sockets import Listening
from gateway.log import logger

# A worker that died is replaced in less, unless something is wrong.
PATIENCE_SECONDS = 5.0
LOOK_SECONDS: Final = 0.5
RETRY_AFTER_SECONDS: Final = 5
# For the request to come, and for the answer to be read.
LINGER_SECONDS: Final = 2.0
MOST_CALLERS: Final = 256
READ_BYTES: Final = 2**16
_HEADERS: Final = (*replies.JSON, (b"Retry-After", b"%d" % RETRY_AFTER_SECONDS))


async def stand_in(number: int, sockets: Sequence[Listening], is_served: Callable[[], bool]) -> None:
    """Answer on a slot's sockets while it is not served. Runs until it is cancelled."""
    places = asyncio.Semaphore(MOST_CALLERS)
    loop = asyncio.get_running_loop()
    served_at = loop.time()
    answering: list[asyncio.Task[None]] = []
    try:
        while True:
            if is_served():
                served_at = loop.time()
                while answering:
                    answering.pop().cancel()
            elif not answering and loop.time() - served_at >= PATIENCE_SECONDS:
                logger.error("worker %d is missing: its callers are answered 503", number)
                answering = [
                    tasks.start(_answer_all(listening, places), name=f"stand-in for worker {number}")
                    for listening in sockets
                ]
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        for task in answering:
            task.cancel()


async def _answer_all(listening: Listening, places: asyncio.Semaphore) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await places.acquire()
        try:
            connection, _ = await loop.sock_accept(listening.socket)
        except OSError:
            places.release()
            # There are no descriptors left.
            await asyncio.sleep(LOOK_SECONDS)
            continue
        except asyncio.CancelledError:
            places.release()
            raise
        answer = tasks.start(_answer(connection, speaks_tls=listening.address.scheme == "https"), name="503")
        answer.add_done_callback(lambda _: places.release())


async def _answer(connection: socket.socket, *, speaks_tls: bool) -> None:
    """What the caller sends is not looked at, only awaited: clients take no answer before they have asked."""
    loop = asyncio.get_running_loop()
    with connection, suppress(OSError, TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            if not speaks_tls and await loop.sock_recv(connection, READ_BYTES):
                await loop.sock_sendall(connection, _service_unavailable())
                connection.shutdown(socket.SHUT_WR)
                while await loop.sock_recv(connection, READ_BYTES):
                    pass


def _service_unavailable() -> bytes:
    request_id = new_request_id()
    body = replies.error_body(503, "The gateway is not able to serve calls at the moment.", request_id)
    return replies.reply(503, body, request_id=request_id, headers=_HEADERS, connection=b"close")
