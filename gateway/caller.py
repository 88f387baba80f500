"""The connection to a caller: requests come in, one at a time, and answers go out.

`_phase` says what the caller's next bytes are:

    HEAD    a request head (or nothing: the connection idles)
    BODY    the body of the request in hand
    ANSWER  the whole request is here, its answer is not finished; what comes belongs to the next request
    LINGER  the last answer is given; what comes is thrown away until the caller hangs up

Each answer to a recorded call ends in `end`: its last bytes leave after the record is in the journal.
"""

import asyncio
import enum
import logging
import socket
import struct
from typing import TYPE_CHECKING, Final, cast

from gateway import replies
from gateway.admission import Admitted
from gateway.attempts import IDEMPOTENT, Attempts
from gateway.call import Call, new_request_id
from gateway.chunks import LAST_CHUNK, chunk
from gateway.cors import NOT_ALLOWED, without_backends_own
from gateway.forwarding import UPGRADE_LINES, ResponseHead, backend_lines, forwarded_lines
from gateway.handling import handle
from gateway.head import Fields, MalformedRequest, RequestHead
from gateway.log import Sparingly
from gateway.pace import body_deadline
from gateway.request_reader import REMEMBERED_HEAD_BYTES, RequestReader
from gateway.trace_context import without_context
from gateway.trailers import last_chunk
from gateway.tunnel import TunnelEnd, join
from gateway.unsent import is_reset, unsent_bytes

if TYPE_CHECKING:
    from gateway.arrival import Arrival
    from gateway.backend import Added, Backend
    from gateway.server import Server
    from gateway.upstream import Upstream

LINGER_SECONDS: Final = 2.0
# A caller that has closed its half is looked after so often until its answer begins ...
LOOK_SECONDS: Final = 1.0
# ... and, at some of the times, sent an interim answer. There are few: clients refuse many.
_PROBING_LOOKS: Final = frozenset((1, 4, 16, 64))
# An unwanted body of up to this size is read to its end, so that the connection can go on.
DISCARD_LIMIT_BYTES: Final = 64 * 2**10
PIPELINE_LIMIT_BYTES: Final = 64 * 2**10
WRITE_BUFFER_BYTES: Final = 64 * 2**10
NEVER: Final = float("inf")
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

_refused: Final = Sparingly(logging.INFO, "request refused: status=%d peer=%s request=%s reason=%s")


class Phase(enum.Enum):
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    LINGER = enum.auto()


HEAD, BODY, ANSWER, LINGER = Phase


class Caller(asyncio.Protocol):
    """`call` is the call that has no answer yet. An answer is settled once it is None; `_is_sent` tells the rest.

    `backend` is where it was sent last, `attempts` is None where its backend has no rules.
    """

    __slots__ = (
        "_answer_started",
        "_arrival",
        "_body_began",
        "_closing",
        "_cut",
        "_head_started",
        "_is_half_closed",
        "_is_sent",
        "_known_fields",
        "_known_for",
        "_known_lines",
        "_looks",
        "_outgoing",
        "_paused_at",
        "_phase",
        "_reader",
        "_reading_paused",
        "_replay",
        "_transport",
        "_tunnel",
        "_unsent",
        "_upstream",
        "attempts",
        "backend",
        "body_limit",
        "call",
        "deadline",
        "is_slow",
        "is_trusted",
        "peer",
        "request",
        "scheme",
        "server",
    )

    backend: "Backend"
    request: RequestHead
    _transport: asyncio.Transport

    def __init__(self, server: "Server", arrival: "Arrival | None" = None) -> None:
        self.attempts: Attempts | None = None
        self.call: Call | None = None
        self.body_limit = 0
        self.deadline = NEVER
        self.is_slow = False
        self.server = server
        self.scheme = b"http"
        self._arrival = arrival
        self._reader = RequestReader()
        self._phase = HEAD
        self._outgoing: list[bytes] = []
        self._replay: bytes | None = None
        self._upstream: Upstream | None = None
        self._tunnel: TunnelEnd | None = None
        self._known_fields: Fields | None = None
        self._known_for: tuple[bytes, bytes, Added] | None = None
        self._known_lines = b""
        self._head_started = True
        self._answer_started = False
        self._is_sent = True
        self._closing = False
        self._is_half_closed = False
        self._cut = False
        self._reading_paused = False
        self._paused_at = self._body_began = 0.0
        self._looks = 0
        self._unsent = NEVER

    # -- The connection --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._arrival is not None:
            self.peer = self._arrival.peer
            self._arrival.leave()
            self._arrival = None
        else:
            address = transport.get_extra_info("peername")
            self.peer = str(address[0]) if address else ""
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = b"https"
            # Over TLS it would be eight times as much, for each caller that reads slowly.
            self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self.is_trusted = self.server.proxies.holds(self.peer)
        self.deadline = self.server.time + self.server.limits.head_seconds
        if not self.server.welcome(self):
            self._refuse(503, "The gateway has no room for more connections.")

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.goodbye(self)
        self.deadline = NEVER
        if self.call is not None:
            self._leave_backend()
            self.call.failed("client", "ClientConnectionFailure")
            self.end(b"")

    def data_received(self, data: bytes) -> None:
        if self._phase is LINGER:
            return
        self._reader.receive(data)
        if self._phase is HEAD:
            self._next_request()
        elif self._phase is BODY:
            self._read_body()
        elif len(self._reader.waiting) > PIPELINE_LIMIT_BYTES:
            self.pause_reading()

    def eof_received(self) -> bool:
        """A caller that closes its half of the connection gets the answers to its whole requests.

        Within a request it is taken to have left: then the transport closes itself. So it does over
        TLS, for uvloop knows the rule of TLS 1.2: a close_notify closes both sides (RFC 5246 7.2.1).
        """
        self._is_half_closed = True
        if self.scheme == b"https":
            if self.call is not None:
                self._transport.abort()
            else:
                self._close()
            return False
        if not self._reader.waiting:
            self._closing = True
        if self._phase is ANSWER and not self._answer_started and not self.is_slow:
            self._look_later()
        return self._phase is ANSWER and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        self.is_slow = True
        self._unsent = unsent_bytes(self._transport)
        if self._phase is ANSWER:
            self.deadline = self.server.time + self.server.limits.body_seconds
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        self.is_slow = False
        if self._phase is ANSWER:
            self.deadline = NEVER
        if self._upstream is not None:
            self._upstream.resume_reading()
        elif self._phase is HEAD:
            self.resume_reading()
            self._next_request()

    def pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
            self._paused_at = self.server.time
            if self._phase is BODY:
                self.deadline = NEVER

    def resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
            if self._phase is BODY:
                self._body_began += self.server.time - max(self._paused_at, self._body_began)
                self._await_body()

    def expired(self) -> None:
        """The deadline has passed; the server's clock calls."""
        self.deadline = NEVER
        if self._tunnel is not None:
            self._tunnel.expired()
            return
        if self._is_half_closed and self._phase is ANSWER and not self.is_slow:
            if not self._answer_started:
                self._look()
            return
        is_asking = self._phase is HEAD and self._reader.waiting and not self.is_slow
        if self._phase is not BODY and not is_asking and self._takes_the_answer():
            self.deadline = self.server.time + self.server.limits.body_seconds
        elif is_asking:
            self._refuse(408, "The request head did not arrive in time.")
        elif self._phase is BODY and self.call is not None:
            self._break_off(408, "The request body did not arrive in time.", "ClientConnectionFailure")
        else:
            self._transport.abort()

    def _look_later(self) -> None:
        self._looks = 0
        self.deadline = self.server.time + LOOK_SECONDS

    def _look(self) -> None:
        """Find out whether a caller that has closed its half has left altogether; then the call ends.

        TCP tells the two apart only by what becomes of data: who has left answers it by a reset. An
        interim answer is data that every caller of HTTP/1.1 must expect and can ignore (RFC 9110 15.2.1).
        """
        if is_reset(self._transport):
            self._transport.abort()
            return
        self._looks += 1
        if self._looks in _PROBING_LOOKS and not self.request.fields.is_http_1_0:
            self._transport.write(replies.CONTINUE)
        self.deadline = self.server.time + LOOK_SECONDS

    def _takes_the_answer(self) -> bool:
        """Whether something is left to be read, and the caller has read on since this was asked last."""
        before, self._unsent = self._unsent, unsent_bytes(self._transport)
        return 0 < self._unsent < before

    def give_up(self) -> None:
        """The server stops now, and the call with it."""
        if self.call is not None:
            self.call.failed("gateway", "ShuttingDown")
        self.cut_off()

    def cut_off(self) -> None:
        """End so that nobody takes what was sent for the whole answer: where its end is the
        connection's end, by a reset (RFC 9112 8).
        """
        if self._answer_started and self.request.fields.is_http_1_0:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def part(self, deadline: float) -> bool:
        """Another process takes over: the next answer that begins is the last on this connection.

        Returns whether a request may be about to come; it is waited for until the deadline.
        """
        if self._phase is HEAD and not self.is_slow:
            self._closing = True
            self.deadline = min(self.deadline, deadline)
            return True
        if self.call is not None and not self._answer_started:
            self._closing = True
        return False

    def drain(self) -> None:
        """The server is stopping: a connection without a whole request goes at once, another one after its answer."""
        self._closing = True
        if self._phase is HEAD:
            self._close()

    # -- The request -----------------------------------------------------------------------------

    def _next_request(self) -> None:
        """Begin the next request, unless the caller does not even read the answers it has got."""
        if self.is_slow:
            self.pause_reading()
        elif self._reader.waiting:
            self._read_head()
        if self._is_half_closed and self._phase is not ANSWER and not self.is_slow:
            self._close()

    def _read_head(self) -> None:
        limits = self.server.limits
        try:
            request = self._reader.next_head(limits.head_bytes, limits.head_fields)
        except MalformedRequest as error:
            self._refuse(error.status, error.message)
            return
        if request is None:
            if self._reader.waiting and not self._head_started:
                self._head_started = True
                self.deadline = self.server.time + limits.head_seconds
            return
        self.request = request
        self.deadline = NEVER
        if self._is_half_closed:
            self._look_later()
        self._is_sent = self._answer_started = False
        self._phase = ANSWER
        if not self._reader.is_complete:
            self._phase = BODY
            self._body_began = self.server.time
        handle(self, request)
        if self._phase is BODY:
            self.resume_reading()
            if self._reader.waiting:
                self._read_body()
                return
            self._await_body()
        if self._upstream is not None:
            self._send()

    def forward(self, head: bytes, backend: "Backend", call: Call) -> None:
        """Send the call to its backend: `head` first, then what has come of the body, and what comes."""
        self.backend = backend
        self._outgoing.insert(0, head)
        upstream = self.server.pool.take(backend)
        if upstream is None:
            self.server.pool.connect(backend, self, call)
        else:
            self._upstream = upstream
            upstream.begin(self, call)

    def forward_again(self, head: bytes, body: bytes, backend: "Backend", call: Call) -> None:
        """Send the call to a backend after an attempt in vain. `body` is what was sent of it then."""
        call.retries += 1
        self.backend = backend
        if self._outgoing:
            # Nothing was sent: all but the head, which is for this backend only, waits here.
            self._outgoing[0] = head
        else:
            self._outgoing += (head, body)
        upstream = self.server.pool.take(backend)
        if upstream is None:
            self.server.pool.connect(backend, self, call)
        else:
            self.connected(upstream)

    def invite_body(self) -> None:
        """Answer the expectation of a caller that waits with its body (RFC 9110 10.1.1)."""
        if self.request.fields.expects_continue and not self._reader.is_complete and not self._reader.waiting:
            self._transport.write(replies.CONTINUE)

    def lines_for_backend(
        self, fields: Fields, authority: bytes, key_header: bytes, scheme: bytes, added: "Added"
    ) -> bytes:
        """What the backend gets after what is the call's own; made once for requests with the same fields."""
        if fields is not self._known_fields or (key_header, authority, added) != self._known_for:
            name = self.server.name
            forwarded = forwarded_lines(fields, self.peer, scheme, authority, name, trusted=self.is_trusted)
            kept = without_context(fields) if self.server.tracing is not None else fields
            left_out = added.replaced | {key_header}
            self._known_lines = backend_lines(kept, left_out, forwarded + added.lines, trusted=self.is_trusted)
            self._known_fields, self._known_for = fields, (key_header, authority, added)
        return self._known_lines

    def _await_body(self) -> None:
        limits = self.server.limits
        self.deadline = body_deadline(
            self.server.time,
            self._body_began,
            self._reader.body_bytes,
            pause_seconds=limits.body_seconds,
            minimum=limits.body_minimum_bytes_per_second,
        )

    def _read_body(self) -> None:
        try:
            body = self._reader.next_body()
            if self.call is not None and self._reader.body_bytes > self.body_limit:
                raise MalformedRequest(413, "The request body is too large.")
        except MalformedRequest as error:
            self._break_off(error.status, error.message, "RequestBodyRefused")
            return
        if self._reader.is_complete:
            self._phase = ANSWER
            self.deadline = NEVER
        else:
            self._await_body()
        if self.call is not None:
            self._pass_on(body, self.call)
        elif self._reader.is_complete and self._is_sent:
            self._await_next()

    def _pass_on(self, body: bytes, call: Call) -> None:
        if not self.request.fields.is_chunked:
            self._outgoing.append(body)
        else:
            if body:
                self._outgoing.append(chunk(body))
            if self._reader.is_complete:
                self._outgoing.append(self._last_chunk(call) if self._reader.trailers else LAST_CHUNK)
        call.request_bytes = self.request.size + self._reader.body_bytes
        if self._upstream is not None:
            self._send()
        elif not self._reader.is_complete:
            self.pause_reading()

    def _last_chunk(self, call: Call) -> bytes:
        """With the trailers that the backend may have: what is kept from it in a head is so here."""
        assert isinstance(call.verdict, Admitted)
        kept_back = {call.verdict.key_header, *self.backend.added.replaced, *self.request.fields.connection}
        return last_chunk(self._reader.trailers, kept_back)

    def _send(self) -> None:
        """All that is ready for the backend, in one write."""
        upstream = self._upstream
        assert upstream is not None
        outgoing = self._outgoing
        data = b"".join(outgoing) if len(outgoing) != 1 else outgoing[0]
        outgoing.clear()
        is_whole = self._reader.is_complete
        self._replay = data if is_whole and upstream.is_fresh and self.request.method in IDEMPOTENT else None
        if self.attempts is not None:
            self.attempts.keep(data, is_first=upstream.is_fresh, is_whole=is_whole)
        upstream.send(data, is_whole=is_whole)

    # -- The backend's side calls these ----------------------------------------------------------

    def resume(self) -> None:
        """The call was held back, and is under way now, or will be once a connection is there."""
        if self._upstream is not None:
            self._send()
            self.resume_reading()

    def connected(self, upstream: "Upstream") -> None:
        assert self.call is not None
        self._upstream = upstream
        upstream.begin(self, self.call)
        self._send()
        self.resume_reading()

    def respond(self, data: bytes) -> None:
        """A part of the backend's answer that is not the last."""
        assert self.call is not None
        self._answer_started = True
        self.call.response_bytes += len(data)
        self._transport.write(data)

    def respond_interim(self, response: ResponseHead) -> None:
        """A 100 is dropped: the gateway has answered the expectation itself (RFC 9110 15.2)."""
        if response.status != 100 and not self.request.fields.is_http_1_0:
            self._transport.write(response.start + b"\r\n")

    def switch(self, upstream: "Upstream", to_backend: asyncio.Transport, response: ResponseHead, first: bytes) -> None:
        """The backend has accepted the WebSocket that was asked for; `first` is what has come of it."""
        call = self.call
        assert call is not None
        call.response_code = call.backend_code = response.status
        call.backend_ended()
        date = b"" if response.has_date else b"Date: %b\r\n" % replies.date()
        head = b"%b%bX-Request-Id: %b\r\n%b\r\n" % (response.start, UPGRADE_LINES, call.request_id, date)
        self._tunnel = join(self, upstream, (self._transport, to_backend), self._reader.waiting)
        self.end(head + first)

    def end_response(self, data: bytes) -> None:
        """The rest of the backend's answer."""
        assert self.call is not None
        self.call.backend_ended()
        if not self._reader.is_complete:
            self._closing = True
        self.end(data)

    def response_head(self, response: ResponseHead) -> tuple[bytes, bool]:
        """The head as the caller gets it, and whether the body is to be chunked."""
        call, request = self.call, self.request
        assert call is not None
        call.response_code = call.backend_code = response.status
        old = request.fields.is_http_1_0
        rechunk = response.length is None and not old
        if (response.length is None and old) or not request.fields.keep_alive or not self._reader.is_complete:
            self._closing = True
        framing = b"Transfer-Encoding: chunked\r\n" if rechunk else b""
        if self._closing:
            framing += b"Connection: close\r\n"
        elif old:
            framing += b"Connection: keep-alive\r\n"
        if rechunk and response.trailer_line and request.fields.takes_trailers:
            framing += response.trailer_line
        if not response.has_date:  # RFC 9110 6.6.1
            framing += b"Date: %b\r\n" % replies.date()
        start, limit_lines, cors_lines = response.start, call.verdict.limit_lines, call.cors_lines
        if limit_lines and isinstance(call.verdict, Admitted) and call.verdict.limits is not None:
            limits = call.verdict.limits
            if response.has_limit_fields or limits.names_fields:
                start = limits.fields.sub(b"", start)
        if cors_lines and cors_lines is not NOT_ALLOWED:
            start = without_backends_own(start)
        head = b"%b%b%bX-Request-Id: %b\r\n%b\r\n" % (start, limit_lines, cors_lines, call.request_id, framing)
        return head, rechunk

    def not_connected(self, status: int, message: str, reason: str) -> None:
        """There is no connection to the backend, and nothing was sent."""
        if self.attempts is None or not self.attempts.not_connected():
            self.fail(status, message, "forward-request", reason)

    def discards(self, response: ResponseHead) -> bool:
        """Whether the answer is not for the caller, for the call is sent once more."""
        if self.attempts is None or not self.attempts.answered(response):
            return False
        self._upstream = None
        return True

    def backend_failed(self, status: int, message: str, reason: str, *, may_replay: bool = False) -> None:
        """There will be no answer of the backend, or no whole one; its connection is given up.

        `may_replay` where the backend may have closed a kept connection before the request reached it.
        """
        call = self.call
        assert call is not None
        self._upstream = None
        if may_replay and self._replay is not None:
            # RFC 9110 9.2.2: it may be sent again although nobody knows whether it was processed.
            head, end, body = self._replay.partition(b"\r\n\r\n")
            self._outgoing = [head + end, body]
            self._replay = None
            call.retries += 1
            self.server.pool.connect(self.backend, self, call)
        elif self.attempts is None or not self.attempts.failed(answer_started=self._answer_started):
            self.fail(status, message, "forward-request", reason)

    def fail(
        self, status: int, message: str, source: str, reason: str, headers: replies.Headers = replies.JSON
    ) -> None:
        """End the call with an error of the gateway's; where the answer has begun, by cutting it off."""
        call = self.call
        assert call is not None
        call.failed(source, reason)
        self._leave_backend()
        if self._answer_started:
            self._cut = self._closing = True
            self.end(b"")
        else:
            self.answer(status, replies.error_body(status, message, call.request_id if status >= 500 else b""), headers)

    def _leave_backend(self) -> None:
        if self._upstream is not None:
            self._upstream.abort()
            self._upstream = None

    # -- The answer ------------------------------------------------------------------------------

    def answer(self, status: int, body: bytes, headers: replies.Headers = replies.JSON) -> None:
        assert self.call is not None
        self.call.response_code = status
        self.end(self.reply(status, body, headers))

    def reply(self, status: int, body: bytes, headers: replies.Headers = replies.JSON) -> bytes:
        request = self.request
        if not self._reader.is_complete and (
            request.length is None
            or request.length > DISCARD_LIMIT_BYTES
            or (request.fields.expects_continue and not self._reader.waiting)
        ):
            self._closing = True
        self._closing = self._closing or not request.fields.keep_alive
        call = self.call
        return replies.reply(
            status,
            body,
            request_id=call.request_id if call is not None else new_request_id(),
            headers=headers,
            lines=call.verdict.limit_lines + call.cors_lines if call is not None else b"",
            connection=b"close" if self._closing else b"keep-alive" if request.fields.is_http_1_0 else b"",
            without_body=request.method == b"HEAD",
        )

    def end(self, data: bytes) -> None:
        """The answer is settled; `data` is the rest of it."""
        call, self.call = self.call, None
        self._upstream = self._replay = None
        self._outgoing.clear()
        if self.attempts is not None:
            self.attempts.end()
            self.attempts = None
        if call is not None:
            call.response_bytes += len(data)
        self.server.finish(self, data, call)

    def send_last(self, data: bytes) -> None:
        """The server calls: the call's record is in the journal."""
        if self._transport.is_closing():
            return
        if self._tunnel is not None:
            self._tunnel.open(data, is_slow=self.is_slow)
            if self._is_half_closed:
                self._tunnel.eof_received()
            return
        if data:
            self._transport.write(data)
        self._is_sent = True
        if self._cut:
            self.cut_off()
        elif self._closing:
            self._part(is_clean=self._reader.is_complete and self._phase is ANSWER)
        elif self._reader.is_complete:
            self._await_next()
        else:
            self.resume_reading()

    def _await_next(self) -> None:
        self._phase = HEAD
        self._head_started = False
        self._unsent = NEVER
        self.deadline = self.server.time + self.server.limits.idle_seconds
        if self.request.size > REMEMBERED_HEAD_BYTES:
            self._known_fields = None
        if self._reading_paused and len(self._reader.waiting) <= PIPELINE_LIMIT_BYTES:
            self.resume_reading()
        if self._reader.waiting or self._is_half_closed:
            self._next_request()

    # -- Parting ---------------------------------------------------------------------------------

    def _refuse(self, status: int, message: str) -> None:
        """The request cannot be read; nor can what follows it."""
        request_id = new_request_id()
        _refused.log(status, self.server.time, status, self.peer, request_id.decode(), message)
        body = replies.error_body(status, message, request_id if status >= 500 else b"")
        self._transport.write(replies.reply(status, body, request_id=request_id, connection=b"close"))
        self._part(is_clean=False)

    def _break_off(self, status: int, message: str, reason: str) -> None:
        """The rest of the request's body cannot be read or is not wanted."""
        self._closing = True
        self._phase = LINGER
        if self.call is not None:
            self.fail(status, message, "client", reason)
        elif self._is_sent:
            self._part(is_clean=False)

    def _part(self, *, is_clean: bool) -> None:
        """Hang up. Where more of the caller's bytes are under way, closing at once would make the
        kernel reset the connection, and the caller might never read the answer (RFC 9112 9.6).
        """
        if is_clean or self._is_half_closed:
            self._close()
            return
        self._phase = LINGER
        self.deadline = self.server.time + LINGER_SECONDS
        self.resume_reading()
        if self.scheme == b"https":
            # A TLS transport that closes reads on by itself until the other side agrees.
            self._transport.close()
        else:
            self._transport.write_eof()

    def _close(self) -> None:
        """Hang up once all is sent. Over TLS the other side has to agree, which it need not be long about."""
        is_sent = not self._transport.get_write_buffer_size()
        self._phase = LINGER
        self.deadline = self.server.time + (LINGER_SECONDS if is_sent else self.server.limits.body_seconds)
        self._transport.close()
