"""The management server: /livez, /readyz, /metrics and /limits, for whoever runs the gateway, not for its callers.

One request for each connection, GET or HEAD. It reads requests as strictly as the gateway does.
"""

import asyncio
import errno
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

import msgspec

from gateway import tasks
from gateway.http import replies
from gateway.http.head import MalformedRequest, RequestHead
from gateway.http.request_id import new_request_id
from gateway.http.request_reader import RequestReader
from gateway.limits.standing import MOST_SUBSCRIPTIONS
from gateway.log import logger
from gateway.process.channel import Status
from gateway.process.worker_process import State, WorkerProcess
from gateway.start_error import StartError
from gateway.telemetry.exposition import CONTENT_TYPE, exposition

if TYPE_CHECKING:
    from gateway.process.master import Master
    from gateway.process.slot import Slot

HEAD_LIMIT_BYTES: Final = 8 * 2**10
HEAD_LIMIT_FIELDS: Final = 100
REQUEST_SECONDS: Final = 5.0
MAX_CONNECTIONS: Final = 64
# A slot whose workers died so often, one after another, does not come back by itself.
HOPELESS_FAILURES: Final = 5

_SUBSCRIPTION: Final = re.compile(rb"subscription=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_TEXT: Final = ((b"Content-Type", b"text/plain; charset=utf-8"),)

_Answer = tuple[int, bytes, replies.Headers]


@asynccontextmanager
async def serving(master: "Master", host: str, port: int) -> AsyncIterator[None]:
    """Port 0 is none. Raises StartError where the address cannot be used."""
    if not port:
        yield
        return
    connections: set[_Connection] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(master, connections), host or None, port
        )
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {os.strerror(error.errno or 0)}"
        names = "GATEWAY_MANAGEMENT_HOST, GATEWAY_MANAGEMENT_PORT"
        raise StartError(f"{host}:{port} {reason} ({names}).") from error
    try:
        yield
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self, master: "Master", connections: "set[_Connection]") -> None:
        self._master = master
        self._connections = connections
        self._reader = RequestReader()
        self._is_asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self.abort)
        if len(self._connections) > MAX_CONNECTIONS:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._deadline.cancel()

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._is_asked:
            return
        self._reader.receive(data)
        try:
            request = self._reader.next_head(HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS)
        except MalformedRequest as error:
            self._is_asked = True
            self._reply((error.status, error.message.encode(), _TEXT))
            return
        if request is not None:
            self._is_asked = True
            tasks.start(self._answer(request), name="management")

    async def _answer(self, request: RequestHead) -> None:
        try:
            answer = await answer_to(self._master, request)
        except Exception:
            logger.exception("management request failed")
            answer = (500, b"", _TEXT)
        self._reply(answer, without_body=request.method == b"HEAD")

    def _reply(self, answer: _Answer, *, without_body: bool = False) -> None:
        status, body, headers = answer
        self._transport.write(
            replies.reply(
                status,
                body,
                request_id=new_request_id(),
                headers=headers,
                connection=b"close",
                without_body=without_body,
            )
        )
        self._transport.close()


async def answer_to(master: "Master", request: RequestHead) -> _Answer:
    target, _, query = request.target.partition(b"?")
    if target not in (b"/livez", b"/readyz", b"/metrics", b"/limits"):
        return 404, b"Not Found\n", _TEXT
    if request.method not in (b"GET", b"HEAD"):
        return 405, b"Method Not Allowed\n", (*_TEXT, (b"Allow", b"GET, HEAD"))
    if target == b"/metrics":
        return _metrics(master, await master.statuses())
    if target == b"/limits":
        return await _limits(master, query)
    statuses = await asyncio.gather(*(slot.status() for slot in master.slots))
    reason_of = _why_dead if target == b"/livez" else _why_not_ready
    workers = [
        _described(slot, reason_of(master, slot, status), status)
        for slot, status in zip(master.slots, statuses, strict=True)
    ]
    is_well = not any(worker["reason"] for worker in workers)
    body = msgspec.json.encode({"ok": is_well, "workers": workers}) + b"\n"
    return 200 if is_well else 503, body, replies.JSON


def _metrics(master: "Master", statuses: Mapping[WorkerProcess, Status | None]) -> _Answer:
    return 200, exposition(master.report(statuses)), ((b"Content-Type", CONTENT_TYPE.encode()),)


async def _limits(master: "Master", query: bytes) -> _Answer:
    """Where the limits of the subscriptions stand that the query names. Nothing is counted by that."""
    matches = [_SUBSCRIPTION.fullmatch(part) for part in query.split(b"&")]
    if len(matches) > MOST_SUBSCRIPTIONS or not all(matches):
        return 400, b"Name 1 to %d subscriptions: ?subscription=<GUID>&...\n" % MOST_SUBSCRIPTIONS, _TEXT
    ids = {UUID(match[1].decode()).bytes: match[1].decode() for match in matches if match is not None}
    told = await master.limits(list(ids))
    if told is None:
        return 503, b"No worker says.\n", _TEXT
    body = {"at": time.time(), "subscriptions": {ids[one]: limits for one, limits in told.items()}}
    return 200, msgspec.json.encode(body) + b"\n", replies.JSON


def _why_dead(master: "Master", slot: "Slot", status: Status | None) -> str:
    """A worker that is being started is not dead; one that does not answer is, and so is one that cannot start."""
    if slot.worker is not None and slot.worker.state is not State.ENDED and status is None:
        return "no answer"
    return "starts in vain" if slot.failures >= HOPELESS_FAILURES else ""


def _why_not_ready(master: "Master", slot: "Slot", status: Status | None) -> str:
    if master.is_stopping:
        return "draining"
    if status is None:
        return "being started" if slot.worker is None else "no answer"
    return "no configuration yet" if status.revision is None else ""


def _described(slot: "Slot", reason: str, status: Status | None) -> dict[str, object]:
    described: dict[str, object] = {"slot": slot.number, "pid": slot.worker and slot.worker.pid, "reason": reason}
    if status is not None:
        described |= {"revision": status.revision, "connections": status.connections}
    return described
