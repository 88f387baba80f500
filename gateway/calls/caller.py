"""The connection to a caller: requests come in, one at a time, and answers go out.

Each answer to a recorded call ends in `end`: its last bytes leave after the record is in the journal.
"""

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING, Final, cast

from gateway.calls.answers import backends_answer, own_answer, switching_answer
from gateway.calls.call import Call
from gateway.calls.half_closed import LOOK_SECONDS, HalfClosed
from gateway.calls.handling import handle
from gateway.calls.outgoing import Outgoing
from gateway.calls.pace import Pace
from gateway.calls.phase import ANSWER, BODY, HEAD, LINGER, Phase
from gateway.calls.tunnel import TunnelEnd, join
from gateway.catalogue.admission import Admitted
from gateway.deadline import NEVER
from gateway.http import replies
from gateway.http.forwarding import ResponseHead
from gateway.http.head import MalformedRequest, RequestHead
from gateway.http.request_id import new_request_id
from gateway.http.request_reader import REMEMBERED_HEAD_BYTES, RequestReader
from gateway.http.unsent import unsent_bytes
from gateway.log import Sparingly

if TYPE_CHECKING:
    from gateway.listeners.arrival import Arrival
    from gateway.server import Server
    from gateway.upstream.connection import Upstream

LINGER_SECONDS: Final = 2.0
# An unwanted body of up to this size is read to its end, so that the connection can go on.
DISCARD_LIMIT_BYTES: Final = 64 * 2**10
PIPELINE_LIMIT_BYTES: Final = 64 * 2**10
WRITE_BUFFER_BYTES: Final = 64 * 2**10
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

_refused: Final = Sparingly(logging.INFO, "request refused: status=%d peer=%s request=%s reason=%s")


class Caller:
    """`call` is the call that has no answer yet. An answer is settled once it is None; `_is_sent` tells the rest."""

    __slots__ = (
        "_arrival",
        "_closing",
        "_cut",
        "_half_closed",
        "_head_started",
        "_is_held",
        "_is_sent",
        "_pace",
        "_phase",
        "_reading_paused",
        "_transport",
        "_tunnel",
        "_unsent",
        "answer_started",
        "body_limit",
        "call",
        "deadline",
        "is_slow",
        "is_trusted",
        "outgoing",
        "peer",
        "reader",
        "request",
        "scheme",
        "server",
    )

    request: RequestHead
    _transport: asyncio.Transport

    def __init__(self, server: "Server", arrival: "Arrival | None" = None) -> None:
        self.call: Call | None = None
        self.body_limit = 0
        self.deadline = NEVER
        self.is_slow = False
        self.server = server
        self.scheme = b"http"
        self._arrival = arrival
        self.outgoing = Outgoing(self)
        self.reader = RequestReader()
        self._phase = HEAD
        self._tunnel: TunnelEnd | None = None
        self._head_started = True
        self.answer_started = False
        self._is_held = False
        self._is_sent = True
        self._closing = False
        self._half_closed: HalfClosed | None = None
        self._cut = False
        self._reading_paused = False
        limits = server.limits
        self._pace = Pace(limits.body_seconds, limits.body_minimum_bytes_per_second)
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
        self._wait()
        if not self.server.welcome(self):
            if self.server.may_turn_away_slowly:
                self._refuse(503, "The gateway has no room for more connections.")
            else:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.goodbye(self)
        self.deadline = NEVER
        if self._tunnel is not None:
            del self.server.tunnels[self._tunnel]
        if self.call is not None:
            self.outgoing.leave_backend()
            self.call.failed("client", "ClientConnectionFailure")
            self.end(b"")

    def data_received(self, data: bytes) -> None:
        if self._phase is LINGER:
            return
        self.reader.receive(data)
        if self._phase is HEAD:
            self._next_request()
        elif self._is_held and self._phase is BODY:
            self.pause_reading()
        elif self._phase is BODY:
            self._read_body()
        elif len(self.reader.waiting) > PIPELINE_LIMIT_BYTES:
            self.pause_reading()

    def eof_received(self) -> bool:
        """A caller that closes its half of the connection gets the answers to its whole requests.

        Within a request it is taken to have left: then the transport closes itself. So it does over
        TLS, for uvloop knows the rule of TLS 1.2: a close_notify closes both sides (RFC 5246 7.2.1).
        """
        self._half_closed = HalfClosed()
        if self.scheme == b"https":
            if self.call is not None:
                self._transport.abort()
            else:
                self._close()
            return False
        if not self.reader.waiting:
            self._closing = True
        if self._phase is ANSWER:
            self._wait()
        # Of a call that has to wait, nobody has looked yet whether all of its body is here.
        return (self._phase is ANSWER or self._is_held) and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        self.is_slow = True
        self._unsent = float(unsent_bytes(self._transport))
        if self._phase is ANSWER:
            self._wait()
        if self.outgoing.upstream is not None:
            self.outgoing.upstream.pause_reading()

    def resume_writing(self) -> None:
        self.is_slow = False
        if self._phase is ANSWER:
            self._wait()
        if self.outgoing.upstream is not None:
            self.outgoing.upstream.resume_reading()
        elif self._phase is HEAD:
            self.resume_reading()
            self._next_request()

    def pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
            self._pace.pause(self.server.time)
            if self._phase is BODY:
                self._wait()

    def resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
            if self._phase is BODY:
                self._pace.resume(self.server.time)
                self._wait()

    def expired(self) -> None:
        """The deadline has passed; the server's clock calls."""
        self.deadline = NEVER
        if self._tunnel is not None:
            self._tunnel.expired()
            return
        if self._half_closed is not None and self._phase is ANSWER and not self.is_slow:
            if not self.answer_started:
                self._look()
            return
        is_asking = self._phase is HEAD and self.reader.waiting and not self.is_slow
        if self._phase is not BODY and not is_asking and self._takes_the_answer():
            self.deadline = self.server.time + self.server.limits.body_seconds
        elif is_asking:
            self._refuse(408, "The request head did not arrive in time.")
        elif self._phase is BODY and self.call is not None:
            self._break_off(408, "The request body did not arrive in time.", "ClientConnectionFailure")
        else:
            self._transport.abort()

    def _look(self) -> None:
        """A call ends whose caller has left behind its request."""
        assert self._half_closed is not None
        if self._half_closed.is_gone(self._transport, may_probe=not self.request.fields.is_http_1_0):
            self._transport.abort()
        else:
            self._wait()

    def _takes_the_answer(self) -> bool:
        """Whether something is left to be read, and the caller has read on since this was asked last."""
        before, self._unsent = self._unsent, float(unsent_bytes(self._transport))
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
        if self.answer_started and self.request.fields.is_http_1_0:
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
        if self.call is not None and not self.answer_started:
            self._closing = True
        return False

    def drain(self) -> None:
        """The server is stopping: a connection without a whole request goes at once, another one after its answer."""
        self._closing = True
        if self._phase is HEAD:
            self._close()

    # -- What is waited for ----------------------------------------------------------------------

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._wait()

    def _wait(self) -> None:
        """Set the deadline of what is waited for from now on."""
        self.deadline = self._latest(self.server.time)

    def _latest(self, now: float) -> float:
        """Until when to wait, in this phase. NEVER where somebody else is to act, who has a deadline of his own."""
        limits = self.server.limits
        if self._phase is HEAD:
            return now + (limits.head_seconds if self._head_started else limits.idle_seconds)
        if self._phase is BODY:
            is_read = not self._reading_paused and not self._is_held
            return self._pace.deadline(now, self.reader.body_bytes) if is_read else NEVER
        if self._phase is ANSWER:
            if self.is_slow:
                return now + limits.body_seconds
            is_looked_at = self._half_closed is not None and not self.answer_started
            return now + LOOK_SECONDS if is_looked_at else NEVER
        # Of LINGER: the rest of the answer is to be read, then the other side to hang up too.
        return now + (limits.body_seconds if self._transport.get_write_buffer_size() else LINGER_SECONDS)

    # -- The request -----------------------------------------------------------------------------

    def _next_request(self) -> None:
        """Begin the next request, unless the caller does not even read the answers it has got."""
        if self.is_slow:
            self.pause_reading()
        elif self.reader.waiting:
            self._read_head()
        if self._half_closed is not None and self._phase is not ANSWER and not self._is_held and not self.is_slow:
            self._close()

    def _read_head(self) -> None:
        limits = self.server.limits
        try:
            request = self.reader.next_head(limits.head_bytes, limits.head_fields)
        except MalformedRequest as error:
            self._refuse(error.status, error.message)
            return
        if request is None:
            if self.reader.waiting and not self._head_started:
                self._head_started = True
                self._wait()
            return
        self.request = request
        self._is_sent = self.answer_started = False
        if self._half_closed is not None:
            self._half_closed.begin()
        if self.reader.is_complete:
            self._enter(ANSWER)
        else:
            self._pace.begin(self.server.time)
            self._enter(BODY)
        handle(self, request)
        if not self._is_held:
            self._follow()

    def hold(self) -> None:
        """The call in hand has to wait; nothing of its body is looked at until `release`."""
        self._is_held = True
        self._wait()

    def release(self) -> None:
        """The call goes on, or has its answer."""
        self._is_held = False
        self._follow()

    def _follow(self) -> None:
        """Let the body follow the head."""
        if self._phase is BODY:
            self.resume_reading()
            if self.reader.waiting:
                self._read_body()
            else:
                self._wait()
                self._send_head()
            if self._half_closed is not None and self._phase is BODY:
                self._transport.abort()
        else:
            self._send_head()

    def _send_head(self) -> None:
        if self.outgoing.upstream is not None:
            self.outgoing.send()

    def invite_body(self) -> None:
        """Answer the expectation of a caller that waits with its body (RFC 9110 10.1.1)."""
        if self.request.fields.expects_continue and not self.reader.is_complete and not self.reader.waiting:
            self._transport.write(replies.CONTINUE)

    def _read_body(self) -> None:
        try:
            body = self.reader.next_body()
            if self.call is not None and self.reader.body_bytes > self.body_limit:
                raise MalformedRequest(413, "The request body is too large.")
        except MalformedRequest as error:
            self._break_off(error.status, error.message, "RequestBodyRefused")
            return
        if self.reader.is_complete:
            self._enter(ANSWER)
        else:
            self._wait()
        if self.call is not None:
            self.outgoing.pass_on(body, self.call)
        elif self.reader.is_complete and self._is_sent:
            self._await_next()

    # -- The backend's side calls these ----------------------------------------------------------

    def respond(self, data: bytes) -> None:
        """A part of the backend's answer that is not the last."""
        assert self.call is not None
        self.answer_started = True
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
        self._tunnel = join(self, upstream, (self._transport, to_backend), self.reader.waiting)
        assert isinstance(call.verdict, Admitted)
        self.server.add_tunnel(self._tunnel, call.verdict)
        self.end(switching_answer(call, response) + first)

    def end_response(self, data: bytes) -> None:
        """The rest of the backend's answer."""
        assert self.call is not None
        self.call.backend_ended()
        if not self.reader.is_complete:
            self._closing = True
        self.end(data)

    def response_head(self, response: ResponseHead) -> tuple[bytes, bool]:
        """The head as the caller gets it, and whether the body is to be chunked."""
        call, fields = self.call, self.request.fields
        assert call is not None
        call.response_code = call.backend_code = response.status
        ends_with_connection = response.length is None and fields.is_http_1_0
        if ends_with_connection or not fields.keep_alive or not self.reader.is_complete:
            self._closing = True
        return backends_answer(call, self.request, response, is_last=self._closing)

    def fail(
        self, status: int, message: str, source: str, reason: str, headers: replies.Headers = replies.JSON
    ) -> None:
        """End the call with an error of the gateway's; where the answer has begun, by cutting it off."""
        call = self.call
        assert call is not None
        call.failed(source, reason)
        self.outgoing.leave_backend()
        if self.answer_started:
            self._cut = self._closing = True
            self.end(b"")
        else:
            self.answer(status, replies.error_body(status, message, call.request_id if status >= 500 else b""), headers)

    # -- The answer ------------------------------------------------------------------------------

    def answer(self, status: int, body: bytes, headers: replies.Headers = replies.JSON) -> None:
        assert self.call is not None
        self.call.response_code = status
        self.end(self.reply(status, body, headers))

    def reply(self, status: int, body: bytes, headers: replies.Headers = replies.JSON) -> bytes:
        request = self.request
        if not self.reader.is_complete and (
            request.length is None
            or request.length > DISCARD_LIMIT_BYTES
            or (request.fields.expects_continue and not self.reader.waiting)
        ):
            self._closing = True
        self._closing = self._closing or not request.fields.keep_alive
        return own_answer(self.call, request, status, body, headers, is_last=self._closing)

    def end(self, data: bytes) -> None:
        """The answer is settled; `data` is the rest of it."""
        call, self.call = self.call, None
        self.outgoing.end()
        if call is not None:
            call.response_bytes += len(data)
        self.server.finish(self, data, call)

    def send_last(self, data: bytes) -> None:
        """The server calls: the call's record is in the journal."""
        if self._transport.is_closing():
            return
        if self._tunnel is not None:
            self._tunnel.open(data, is_slow=self.is_slow)
            if self._half_closed is not None:
                self._tunnel.eof_received()
            return
        if data:
            self._transport.write(data)
        self._is_sent = True
        if self._cut:
            self.cut_off()
        elif self._closing:
            self._part(is_clean=self.reader.is_complete and self._phase is ANSWER and not self.reader.waiting)
        elif self.reader.is_complete:
            self._await_next()
        else:
            self.resume_reading()

    def _await_next(self) -> None:
        self._head_started = False
        self._unsent = NEVER
        self._enter(HEAD)
        if self.request.size > REMEMBERED_HEAD_BYTES:
            self.outgoing.forget_lines()
        if self._reading_paused and len(self.reader.waiting) <= PIPELINE_LIMIT_BYTES:
            self.resume_reading()
        if self.reader.waiting or self._half_closed is not None:
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
        self._enter(LINGER)
        if self.call is not None:
            self.fail(status, message, "client", reason)
        elif self._is_sent:
            self._part(is_clean=False)

    def _part(self, *, is_clean: bool) -> None:
        """Hang up. Where more of the caller's bytes are under way, closing at once would make the
        kernel reset the connection, and the caller might never read the answer (RFC 9112 9.6).
        """
        if is_clean or self._half_closed is not None:
            self._close()
            return
        self._enter(LINGER)
        self.resume_reading()
        if self.scheme == b"https":
            # A TLS transport that closes reads on by itself until the other side agrees.
            self._transport.close()
        else:
            self._transport.write_eof()

    def _close(self) -> None:
        """Hang up once all is sent. Over TLS the other side has to agree, which it need not be long about."""
        self._enter(LINGER)
        self._transport.close()
