"""A caller's request on its way to a backend: what is to be sent, on which connection, and perhaps again."""

from typing import TYPE_CHECKING

from gateway.calls.attempts import IDEMPOTENT, Attempts
from gateway.calls.call import Call
from gateway.catalogue.admission import Admitted
from gateway.http.chunks import LAST_CHUNK, chunk
from gateway.http.forwarding import ResponseHead, backend_lines, forwarded_lines, without_keys
from gateway.http.head import Fields
from gateway.http.trace_context import without_context
from gateway.http.trailers import last_chunk

if TYPE_CHECKING:
    from gateway.calls.caller import Caller
    from gateway.upstream.backend import Added, Backend
    from gateway.upstream.connection import Upstream


class Outgoing:
    """One for each caller, for one request after another.

    `upstream` is None while there is no connection to the backend. `backend` is where the request was
    sent last, `attempts` is None where its backend has no rules.
    """

    __slots__ = (
        "_caller",
        "_known_added",
        "_known_authority",
        "_known_fields",
        "_known_key_header",
        "_known_lines",
        "_replay",
        "_replayed",
        "_unsent",
        "attempts",
        "backend",
        "upstream",
    )

    backend: "Backend"

    def __init__(self, caller: "Caller") -> None:
        self.attempts: Attempts | None = None
        self.upstream: Upstream | None = None
        self._caller = caller
        self._unsent: list[bytes] = []
        self._replay: bytes | None = None
        self._replayed: Call | None = None
        self._known_fields: Fields | None = None
        self._known_added: Added | None = None
        self._known_authority = self._known_key_header = self._known_lines = b""

    # -- What is sent ----------------------------------------------------------------------------

    def lines(self, fields: Fields, authority: bytes, key_header: bytes, scheme: bytes, added: "Added") -> bytes:
        """What the backend gets after what is the call's own; made once for requests with the same fields."""
        if (
            fields is not self._known_fields
            or added is not self._known_added
            or authority != self._known_authority
            or key_header != self._known_key_header
        ):
            caller, server = self._caller, self._caller.server
            forwarded = forwarded_lines(fields, caller.peer, scheme, authority, server.name, trusted=caller.is_trusted)
            kept = without_context(fields) if server.tracing is not None else fields
            if server.catalogue is not None:
                kept = without_keys(kept, server.catalogue.key_parameters)
            left_out = added.replaced | {key_header}
            self._known_lines = backend_lines(kept, left_out, forwarded + added.lines, trusted=caller.is_trusted)
            self._known_fields, self._known_added = fields, added
            self._known_authority, self._known_key_header = authority, key_header
        return self._known_lines

    def forward(self, head: bytes, backend: "Backend", call: Call) -> None:
        """Send the call to its backend: `head` now, then what comes of the body."""
        self.backend = backend
        self._unsent.append(head)
        pool = self._caller.server.pool
        upstream = pool.take(backend)
        if upstream is None:
            pool.connect(backend, self._caller, call)
        else:
            self.upstream = upstream
            upstream.begin(self._caller, call)

    def forward_again(self, head: bytes, body: bytes, backend: "Backend", call: Call) -> None:
        """Send the call to a backend after an attempt in vain. `body` is what was sent of it then."""
        call.retries += 1
        self._replayed = None
        self.backend = backend
        if self._unsent:
            # Nothing was sent: all but the head, which is for this backend only, waits here.
            self._unsent[0] = head
        else:
            self._unsent += (head, body)
        pool = self._caller.server.pool
        upstream = pool.take(backend)
        if upstream is None:
            pool.connect(backend, self._caller, call)
        else:
            self.connected(upstream)

    def pass_on(self, body: bytes, call: Call) -> None:
        """A part of the body has come; the caller's reader knows whether it is the last."""
        caller = self._caller
        reader = caller.reader
        if not caller.request.fields.is_chunked:
            self._unsent.append(body)
        else:
            if body:
                self._unsent.append(chunk(body))
            if reader.is_complete:
                self._unsent.append(self._last_chunk(call, reader.trailers) if reader.trailers else LAST_CHUNK)
        call.request_bytes = caller.request.size + reader.body_bytes
        if self.upstream is not None:
            self.send()
        elif not reader.is_complete:
            caller.pause_reading()

    def _last_chunk(self, call: Call, trailers: list[bytes]) -> bytes:
        """With the trailers that the backend may have: what is kept from it in a head is so here."""
        assert isinstance(call.verdict, Admitted)
        connection = self._caller.request.fields.connection
        return last_chunk(trailers, {call.verdict.key_header, *self.backend.added.replaced, *connection})

    def send(self) -> None:
        """All that is ready for the backend, in one write."""
        upstream = self.upstream
        assert upstream is not None
        unsent = self._unsent
        data = b"".join(unsent) if len(unsent) != 1 else unsent[0]
        unsent.clear()
        caller, is_fresh = self._caller, upstream.is_fresh
        is_whole = caller.reader.is_complete
        self._replay = data if is_whole and is_fresh and caller.request.method in IDEMPOTENT else None
        if self.attempts is not None:
            self.attempts.keep(data, is_first=is_fresh, is_whole=is_whole)
        upstream.send(data, is_whole=is_whole)

    # -- What became of it -----------------------------------------------------------------------

    def connected(self, upstream: "Upstream") -> None:
        call = self._caller.call
        assert call is not None
        self.upstream = upstream
        upstream.begin(self._caller, call)
        self.send()
        self._caller.resume_reading()

    def not_connected(self, status: int, message: str, reason: str, *, is_full: bool = False) -> None:
        """There is no connection to the backend, and nothing was sent. `is_full`: all that there may be are in use."""
        call = self._caller.call
        if call is not None and call.debug is not None:
            call.debug.backend_failed(message, reason)
        if self.attempts is None or not self.attempts.not_connected(is_full=is_full):
            self._caller.fail(status, message, "forward-request", reason)

    def discards(self, response: ResponseHead) -> bool:
        """Whether the answer is not for the caller, for the call is sent once more."""
        if self.attempts is None or not self.attempts.answered(response):
            return False
        call = self._caller.call
        if call is not None and call.debug is not None:
            call.debug.answered(call, response, is_sent_again=True)
        self.upstream = None
        return True

    def failed(self, status: int, message: str, reason: str, *, may_replay: bool = False) -> None:
        """There will be no answer of the backend, or no whole one; its connection is given up.

        `may_replay` where the backend may have closed a kept connection before the request reached it.
        """
        caller = self._caller
        call = caller.call
        assert call is not None
        self.upstream = None
        if call.debug is not None:
            call.debug.backend_failed(message, reason)
        if may_replay and self._replay is not None and self._replayed is not call:
            # RFC 9110 9.2.2: it may be sent again, once, although nobody knows whether it was processed.
            self._replayed = call
            head, end, body = self._replay.partition(b"\r\n\r\n")
            self._unsent = [head + end, body]
            self._replay = None
            call.retries += 1
            caller.server.pool.connect(self.backend, caller, call)
        elif self.attempts is None or not self.attempts.failed(answer_started=caller.answer_started):
            caller.fail(status, message, "forward-request", reason)

    def leave_backend(self) -> None:
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None

    def end(self) -> None:
        """The call has its answer, or needs none any more."""
        self.upstream = self._replay = None
        self._unsent.clear()
        if self.attempts is not None:
            self.attempts.end()
            self.attempts = None

    def forget_lines(self) -> None:
        """Large ones, so that idle connections cannot fill the memory."""
        self._known_fields = None
        self._known_lines = b""
