"""The connection to a backend: one request at a time goes out, its answer comes back, and again.

Framing of answers is llhttp's business. An answer goes on to the caller part by part as it comes:
sized if it came sized, chunked otherwise.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Final, cast

import httptools

from gateway.backend import Backend
from gateway.caller import NEVER, Caller
from gateway.forwarding import BadResponse, ResponseHead, interim_head, read_response_head

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.server import Server

INTERIM_LIMIT: Final = 16


class Upstream(asyncio.Protocol):
    """`is_fresh` until the first bytes of the present request are sent."""

    __slots__ = (
        "_call",
        "_caller",
        "_chunked",
        "_interim",
        "_is_complete",
        "_is_reusable",
        "_is_reused",
        "_is_sent",
        "_out",
        "_parser",
        "_reading_paused",
        "_response",
        "_server",
        "_transport",
        "_waiting",
        "backend",
        "deadline",
        "is_fresh",
    )

    _transport: asyncio.Transport

    def __init__(self, server: "Server", backend: Backend) -> None:
        self.backend = backend
        self.deadline = NEVER
        self.is_fresh = True
        self._server = server
        self._parser = httptools.HttpResponseParser(self)
        self._caller: Caller | None = None
        self._call: Call | None = None
        self._response: ResponseHead | None = None
        self._waiting = b""
        self._out: list[bytes] = []
        self._interim = 0
        self._chunked = False
        self._is_complete = False
        self._is_reusable = True
        self._is_reused = False
        self._is_sent = False
        self._reading_paused = False

    # -- The connection --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.upstreams.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline = NEVER
        self._server.upstreams.discard(self)
        self._server.pool.forget(self)
        caller, self._caller = self._caller, None
        if caller is None:
            return
        response = self._response
        if response is not None and exc is None and response.length is None and not response.is_chunked:
            self._finish(caller)  # RFC 9112 6.3: the body ends with the connection.
        elif response is None and not self._waiting and not self._interim:
            caller.backend_lost(
                "The backend service closed the connection without an answer.", may_retry=self._is_reused
            )
        else:
            caller.backend_lost("The backend service closed the connection within its answer.", may_retry=False)

    def data_received(self, data: bytes) -> None:
        caller = self._caller
        if caller is None:
            # Nothing was asked, so nothing that comes can be an answer.
            self.abort()
            return
        self.deadline = self._server.time + self._server.limits.backend_seconds
        try:
            self._read(data, caller)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, BadResponse):
            self.abort()
            caller.fail(
                502, "The backend service gave an invalid answer.", "forward-request", "BackendConnectionFailure"
            )
            return
        if self._is_complete:
            self._caller = None
            self._finish(caller)
        elif self._out:
            out, self._out = self._out, []
            caller.respond(b"".join(out))

    def eof_received(self) -> None:
        """The transport closes itself; `connection_lost` decides what that means."""

    def pause_writing(self) -> None:
        if self._caller is not None:
            self._caller.pause_reading()

    def resume_writing(self) -> None:
        if self._caller is not None:
            self.deadline = self._server.time + self._server.limits.backend_seconds
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
            self.deadline = self._server.time + self._server.limits.backend_seconds

    def expired(self) -> None:
        """The deadline has passed; the server's clock calls."""
        caller = self._caller
        self.abort()
        if caller is not None:
            caller.fail(504, "The backend service did not answer in time.", "forward-request", "Timeout")

    def abort(self) -> None:
        """Drop the connection, and the caller with it."""
        self._caller = None
        self.deadline = NEVER
        self._server.pool.forget(self)
        self._transport.abort()

    def is_usable(self) -> bool:
        return self._is_reusable and not self._transport.is_closing()

    # -- The request -----------------------------------------------------------------------------

    def begin(self, caller: Caller, call: "Call") -> None:
        self._caller = caller
        self._call = call
        self._response = None
        self._interim = 0
        self._is_complete = self._is_sent = False
        self.is_fresh = True
        self.deadline = self._server.time + self._server.limits.backend_seconds
        call.backend_started = time.monotonic()
        if caller.is_slow:
            self.pause_reading()

    def send(self, data: bytes, *, is_whole: bool) -> None:
        self.is_fresh = False
        self._is_sent = is_whole
        self.deadline = self._server.time + self._server.limits.backend_seconds
        self._transport.write(data)

    # -- The answer ------------------------------------------------------------------------------

    def _read(self, data: bytes, caller: Caller) -> None:
        while self._response is None:
            if self._waiting:
                data = self._waiting + data
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                self._waiting = data
                if len(data) > self._server.limits.head_bytes:
                    raise BadResponse("the head is too large")
                return
            self._waiting = b""
            self._read_head(data[:end], caller)
            data = data[end:]
            if not data and self._response is None:
                return
        if not data:
            return
        if self._is_complete:
            self._is_reusable = False
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            # What follows a whole answer is no part of it, but it spoils the connection.
            if not self._is_complete:
                raise
            self._is_reusable = False

    def _read_head(self, head: bytes, caller: Caller) -> None:
        limits = self._server.limits
        if len(head) > limits.head_bytes or head.count(b"\r\n") - 2 > limits.head_fields:
            raise BadResponse("the head is too large")
        self._parser.feed_data(head)
        response = read_response_head(head, caller.request.method)
        if response.status < 200:
            self._pass_on_interim(response, caller)
            return
        self._response = response
        assert self._call is not None
        self._call.backend_code = response.status
        out, self._chunked = caller.response_head(response)
        self._out.append(out)
        self._is_reusable = response.keep_alive
        if not response.has_body:
            if not self._is_complete:
                # llhttp does not know that HEAD was asked, and waits for a body.
                self._parser = httptools.HttpResponseParser(self)
            self._is_complete = True
        elif response.length is None and not response.is_chunked:
            self._is_reusable = False

    def _pass_on_interim(self, response: ResponseHead, caller: Caller) -> None:
        """The gateway answered the expectation itself, so a 100 is dropped (RFC 9110 15.2)."""
        self._is_complete = False
        self._interim += 1
        if self._interim > INTERIM_LIMIT:
            raise BadResponse("too many interim answers")
        if response.status != 100 and caller.request.minor_version:
            caller.respond_interim(interim_head(response))

    def _finish(self, caller: Caller) -> None:
        out, self._out = self._out, []
        if self._chunked:
            out.append(b"0\r\n\r\n")
            self._chunked = False
        assert self._call is not None
        self._call.backend_ended()
        self._call = None
        if self._is_reusable and self._is_sent:
            self._is_reused = True
            self.resume_reading()
            self._server.pool.put(self)
        else:
            self.abort()
        caller.end_response(b"".join(out))

    # -- llhttp calls these ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._is_reusable = False

    def on_body(self, data: bytes) -> None:
        if self._is_complete:
            return
        if self._chunked:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._out.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = True
