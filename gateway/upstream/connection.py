"""The connection to a backend: one request at a time goes out, its answer comes back, and again.

An answer goes on to the caller part by part as it comes: sized if it came sized, chunked otherwise.
llhttp checks heads; where a body ends is found out here and in `chunks`.
"""

import asyncio
import os
import select
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

import httptools

from gateway.deadline import NEVER
from gateway.http.chunks import LAST_CHUNK, BadChunks, Chunks, chunk
from gateway.http.forwarding import BadResponse, ResponseHead, check_unfinished_answer, read_response_head
from gateway.http.head import RequestHead, is_websocket_handshake
from gateway.http.request_reader import REMEMBERED_HEAD_BYTES
from gateway.http.trailers import last_chunk
from gateway.http.unsent import unsent_bytes
from gateway.protocol import as_protocol
from gateway.upstream.backend import Backend

if TYPE_CHECKING:
    from gateway.calls.call import Call
    from gateway.calls.caller import Caller
    from gateway.server import Server
    from gateway.upstream.pool import Connections

INTERIM_LIMIT: Final = 16
READ_BYTES: Final = 64 * 2**10
# What the kernel takes at once from every request: nobody needs to ask how much of it has left.
SMALL_REQUEST_BYTES: Final = 16 * 2**10
# A connection that was idle for so long is looked at before it is used.
CHECKED_AFTER_SECONDS: Final = 0.5
# A backend that says how long it keeps a connection must not be met at the moment when it closes it.
EARLIER_SECONDS: Final = 1.0


class Upstream:
    """`_caller` is None while nothing is asked. `connections` are those of its kind, to which it returns.

    `address` is the backend's; a connection is outdated once the host has no such address any more.

    A backend on a kept-alive connection repeats itself: a head that equals the one before is not
    read again.
    """

    __slots__ = (
        "_caller",
        "_chunks",
        "_has_ended",
        "_interim",
        "_is_complete",
        "_is_reusable",
        "_is_whole",
        "_known_as_to_head",
        "_known_head",
        "_known_response",
        "_left",
        "_reading_paused",
        "_rechunk",
        "_response",
        "_seconds",
        "_server",
        "_transport",
        "_unsent",
        "_waiting",
        "address",
        "backend",
        "connections",
        "deadline",
        "idle_seconds",
        "is_fresh",
        "is_made",
        "is_outdated",
        "is_reused",
    )

    _transport: asyncio.Transport
    _known_response: ResponseHead

    def __init__(self, server: "Server", backend: Backend, connections: "Connections") -> None:
        self.address = ""
        self.backend = backend
        self.connections = connections
        self.deadline = NEVER
        self.idle_seconds = server.limits.backend_idle_seconds
        self.is_fresh = True
        self.is_made = False
        self.is_outdated = False
        self.is_reused = False
        self._seconds = server.limits.backend_seconds
        self._server = server
        self._caller: Caller | None = None
        self._response: ResponseHead | None = None
        self._known_head = b""
        self._known_as_to_head = False
        self._waiting = b""
        self._unsent = 0
        self._interim = 0
        self._left: int | None = 0
        self._chunks: Chunks | None = None
        self._rechunk = False
        self._is_complete = False
        self._is_reusable = False
        self._is_whole = False
        self._has_ended = False
        self._reading_paused = False

    # -- The connection --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_made = True
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self._server.upstreams.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.upstreams.discard(self)
        self.connections.vacate()
        if exc is not None and self._caller is not None:
            self._read_what_has_come()
        caller, response = self._caller, self._response
        self.abort()
        if caller is None:
            return
        ends_with_connection = response is not None and self._left is None and self._chunks is None
        if ends_with_connection and exc is None and (self._has_ended or not self.backend.is_tls):
            # RFC 9112 6.3: the end of the connection is the end of the body; 9.8: over TLS, a proper one.
            caller.end_response(LAST_CHUNK if self._rechunk else b"")
        elif response is None and not self._waiting and not self._interim:
            message = "The backend service closed the connection without an answer."
            caller.outgoing.failed(502, message, "BackendConnectionFailure", may_replay=self.is_reused)
        else:
            message = "The backend service closed the connection within its answer."
            caller.outgoing.failed(502, message, "BackendConnectionFailure")

    def _read_what_has_come(self) -> None:
        """Writing failed, but the answer may have come before the backend hung up on the request (RFC 9112 9.5)."""
        if self.backend.is_tls:
            return
        descriptor = self._transport.get_extra_info("socket").fileno()
        with suppress(OSError):
            while self._caller is not None and (data := os.read(descriptor, READ_BYTES)):
                self.data_received(data)

    def data_received(self, data: bytes) -> None:
        caller = self._caller
        if caller is None:
            # Nothing was asked, so nothing that comes can be an answer.
            self.abort()
            return
        server = self._server
        try:
            out = self._read_answer(data, caller) if self._response is None else self._read_body(data)
        except (BadResponse, BadChunks):
            self.abort()
            caller.outgoing.failed(502, "The backend service gave an invalid answer.", "BackendConnectionFailure")
            return
        if self._is_complete:
            self._caller = None
            if self._is_whole and self._is_reusable and not self._reading_paused:
                self.is_reused = True
                server.pool.put(self)
            else:
                self.abort()
            caller.end_response(out)
        else:
            # A head that comes drop by drop, or behind interim answers, must all the same be there in time.
            if self._is_whole and self._response is not None:
                self.deadline = server.time + self._seconds
            if out:
                caller.respond(out)

    def eof_received(self) -> None:
        """The transport closes itself; `connection_lost` decides what that means.

        Over TLS uvloop calls this for a close_notify alone, and not when the connection under it ends.
        """
        self._has_ended = True

    def pause_writing(self) -> None:
        if self._caller is not None:
            self.deadline = self._server.time + self._seconds
            self._unsent = unsent_bytes(self._transport)
            self._caller.pause_reading()

    def resume_writing(self) -> None:
        if self._caller is not None:
            is_awaited = self._is_whole and not self._reading_paused
            self.deadline = self._server.time + self._seconds if is_awaited else NEVER
            self._caller.resume_reading()

    def pause_reading(self) -> None:
        """The caller reads slowly; its own deadline watches that."""
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
            self.deadline = NEVER

    def resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
            if self._is_whole:
                self.deadline = self._server.time + self._seconds

    def expired(self) -> None:
        """The deadline has passed; the server's clock calls."""
        caller = self._caller
        if caller is not None and self._takes_the_request():
            self.deadline = self._server.time + self._seconds
            return
        self.abort()
        if caller is not None:
            caller.outgoing.failed(504, "The backend service did not answer in time.", "Timeout")

    def _takes_the_request(self) -> bool:
        """Whether the backend has read some of it since this was asked last, or since it had to be held back."""
        before, self._unsent = self._unsent, unsent_bytes(self._transport)
        return self._unsent < before

    def abort(self) -> None:
        """Drop the connection, and the caller with it."""
        self._caller = None
        self.deadline = NEVER
        if self in self.connections.idle:
            self.connections.idle.remove(self)
        self._transport.abort()

    @property
    def is_busy(self) -> bool:
        """With a call, or for good as one end of a tunnel."""
        return self._caller is not None or self._transport.get_protocol() is not as_protocol(self)

    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def is_usable(self, now: float) -> bool:
        """Whether a request may be sent on this idle connection.

        After a pause the kernel may know of an end that the loop has not come to yet. Asking costs a
        system call, so that connections in steady use are spared it.
        """
        if self._transport.is_closing():
            return False
        return now + self.idle_seconds - self.deadline < CHECKED_AFTER_SECONDS or self._is_silent()

    def _is_silent(self) -> bool:
        """Nothing waits to be read, neither an end nor bytes that nobody asked for."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def check_address(self) -> None:
        """Once the host has other addresses: used for no more than the call in hand, if it leads to none of them."""
        addresses = self.connections.addresses
        self.is_outdated = addresses is not None and all(address[0] != self.address for _, address in addresses)
        if self.is_outdated and self in self.connections.idle:
            self.abort()

    # -- The request -----------------------------------------------------------------------------

    def begin(self, caller: "Caller", call: "Call") -> None:
        self._caller = caller
        self._response = None
        self._interim = 0
        self._is_complete = False
        self.is_fresh = True
        self._seconds = caller.outgoing.backend.seconds or self._server.limits.backend_seconds
        if caller.outgoing.attempts is not None:
            self._seconds = min(self._seconds, caller.outgoing.attempts.seconds_left())
        call.backend_started = monotonic()
        if call.debug is not None:
            call.debug.sent(call, caller.outgoing.backend, self.address, is_reused=self.is_reused)
        if caller.is_slow:
            self.pause_reading()

    def send(self, data: bytes, *, is_whole: bool) -> None:
        """`is_whole` when it ends the request: from then on the backend is waited for, unless the caller reads slowly.

        Until then its caller is, or its own reading, where that holds up the caller.
        """
        is_small = self.is_fresh and len(data) <= SMALL_REQUEST_BYTES
        self.is_fresh = False
        self._is_whole = is_whole
        self.deadline = self._server.time + self._seconds if is_whole and not self._reading_paused else NEVER
        self._transport.write(data)
        if is_whole:
            self._unsent = 0 if is_small else unsent_bytes(self._transport)

    # -- The answer ------------------------------------------------------------------------------

    def _read_answer(self, data: bytes, caller: "Caller") -> bytes:
        """From the head on, as the caller gets it; nothing until all of the head is here."""
        if self._waiting:
            data = self._waiting + data
        to_head = caller.request.method == b"HEAD"
        while True:
            known = self._known_head
            if known and to_head == self._known_as_to_head and data.startswith(known):
                response, end = self._known_response, len(known)
            else:
                end = data.find(b"\r\n\r\n") + 4
                if end == 3:
                    if len(data) > self._server.limits.head_bytes:
                        raise BadResponse("the head is too large")
                    check_unfinished_answer(data)
                    self._waiting = data
                    return b""
                response = self._read_head(data[:end], caller.request)
            data = data[end:]
            if response.status >= 200:
                break
            if response.status == 101:
                self._switch(caller, response, data)
                return b""
            self._interim += 1
            if self._interim > INTERIM_LIMIT:
                raise BadResponse("there are too many interim answers")
            caller.respond_interim(response)
        self._waiting = b""
        self._response = response
        self._left = response.length
        self._chunks = Chunks() if response.is_chunked and response.has_body else None
        self._is_complete = response.length == 0
        ends_with_connection = self._left is None and self._chunks is None
        self._is_reusable = response.keep_alive and not ends_with_connection and not (self._is_complete and data)
        if caller.outgoing.attempts is not None:
            if caller.outgoing.discards(response):
                self._throw_away(data)
                return b""
            self._seconds = caller.outgoing.backend.seconds or self._server.limits.backend_seconds
        start, self._rechunk = caller.response_head(response)
        return start + self._read_body(data) if data and not self._is_complete else start

    def _switch(self, caller: "Caller", response: ResponseHead, data: bytes) -> None:
        """The connection is the WebSocket's from now on; `data` is what has come of it."""
        self._caller = None
        self._waiting = b""
        self.deadline = NEVER
        if caller.outgoing.attempts is not None:
            caller.outgoing.attempts.answered(response)
        caller.switch(self, self._transport, response, data)

    def _read_head(self, head: bytes, request: RequestHead) -> ResponseHead:
        limits = self._server.limits
        if len(head) > limits.head_bytes or head.count(b"\r\n") - 2 > limits.head_fields:
            raise BadResponse("the head is too large")
        try:
            httptools.HttpResponseParser(None).feed_data(head)
        except httptools.HttpParserUpgrade:
            # llhttp says so at the end of a head with 101, after all of its checks.
            pass
        except httptools.HttpParserError as error:
            raise BadResponse(str(error)) from error
        to_head = request.method == b"HEAD"
        websocket_key = request.fields.websocket_key if is_websocket_handshake(request) else None
        response = read_response_head(head, to_head=to_head, websocket_key=websocket_key)
        if len(head) <= REMEMBERED_HEAD_BYTES:
            self._known_head, self._known_as_to_head, self._known_response = head, to_head, response
        if response.status >= 200:
            self.idle_seconds = limits.backend_idle_seconds
            if response.idle_seconds is not None:
                self.idle_seconds = min(self.idle_seconds, max(response.idle_seconds - EARLIER_SECONDS, 0.0))
        return response

    def _throw_away(self, body: bytes) -> None:
        """The answer is not for the caller. The connection goes on if the answer ends here, as its length says."""
        is_whole = self._is_complete or (self._left is not None and len(body) == self._left)
        self._caller = self._response = None
        self._is_complete = False
        if is_whole and self._is_whole and self._is_reusable and not self._reading_paused:
            self.is_reused = True
            self._server.pool.put(self)
        else:
            self.abort()

    def _read_body(self, data: bytes) -> bytes:
        left = self._left
        if left is not None:
            if len(data) < left:
                self._left = left - len(data)
                return data
            self._is_complete = True
            if len(data) == left:
                return data
            self._is_reusable = False
            return data[:left]
        if self._chunks is not None:
            data, rest = self._chunks.read(data)
            self._is_complete = self._chunks.is_complete
            if rest:
                self._is_reusable = False
        if not self._rechunk:
            return data
        out = chunk(data) if data else b""
        return out + self._last_chunk() if self._is_complete else out

    def _last_chunk(self) -> bytes:
        if self._chunks is None or not self._chunks.trailers or self._caller is None:
            return LAST_CHUNK
        return last_chunk(self._chunks.trailers) if self._caller.request.fields.takes_trailers else LAST_CHUNK
