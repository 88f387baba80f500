"""What becomes of a request whose head has arrived: an answer of the gateway's own, or a call to a backend."""

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.calls.attempts import Attempts
from gateway.calls.call import Call
from gateway.calls.preflight import answer_preflight
from gateway.catalogue.admission import Admitted, Refusal, admit
from gateway.http import replies
from gateway.http.forwarding import UPGRADE_LINES, backend_head, one_hop_fewer
from gateway.http.head import Fields, RequestHead, is_websocket_handshake
from gateway.http.trace_context import begin_trace
from gateway.log import logger
from gateway.telemetry.debug_token import TRACES_PATH
from gateway.upstream.backend import Backend

if TYPE_CHECKING:
    from gateway.calls.caller import Caller

STATUS_TARGET: Final = b"/status-0123456789abcdef"
TRACES_TARGET: Final = TRACES_PATH.encode()
_TEXT: Final = ((b"Content-Type", b"text/plain; charset=utf-8"),)


def handle(caller: "Caller", request: RequestHead) -> None:
    """Settle the answer, or begin the call to the backend. The request's body may still be under way."""
    server = caller.server
    if request.target.startswith(STATUS_TARGET) and request.method in (b"GET", b"HEAD") and _tells(caller, request):
        return
    if server.catalogue is None:
        caller.end(caller.reply(503, replies.error_body(503, "The gateway has no configuration yet.")))
        return
    address, scheme = _through_proxies(caller, request) if caller.is_trusted else (caller.peer, caller.scheme)
    catalogue, fields = server.catalogue, request.fields
    now = time.time()
    verdict: Admitted | Refusal | None = None
    if fields.origin is not None and request.method == b"OPTIONS":
        verdict = answer_preflight(catalogue, request, scheme)
    if verdict is None:
        verdict = admit(catalogue, request.method, request.target, fields.pairs, scheme, request.authority, now)
    caller.call = call = Call(now, request.method, address, request.size, verdict)
    if server.tracing is not None:
        call.trace = begin_trace(fields.pairs, server.tracing.ratio, scheme)
    api = catalogue.apis[verdict.api] if verdict.api is not None else None
    if api is not None:
        if api.cors is not None:
            call.cors_lines = api.cors.answer_lines(fields.origin)
        if api.deprecation is not None:
            call.deprecation_lines = api.deprecation.answer_lines(verdict.operation)
    if fields.debug_token is not None and server.debugging is not None:
        server.debugging.begin(fields.debug_token, call, request, scheme, catalogue)
    if isinstance(verdict, Refusal):
        _refuse(caller, call, verdict)
        return
    limit = catalogue.apis[verdict.api].body_limit_bytes
    caller.body_limit = server.limits.body_bytes if limit is None else limit
    if not _ends_here(caller, request):
        _count(caller, request, verdict, call, scheme)


def _count(caller: "Caller", request: RequestHead, verdict: Admitted, call: Call, scheme: bytes) -> None:
    """Ask the call's limits, and do what they say: at once, or when the shared counters have answered."""
    server = caller.server
    shared = server.shared_counters
    if verdict.limits is None:
        refusal = None
    elif shared is None:
        refusal = server.counters.take(verdict, call.at)
    elif shared.is_up:
        caller.hold()
        shared.ask(verdict, call.at, partial(_go_on, caller, request, verdict, call, scheme))
        return
    else:
        refusal = shared.take_alone(verdict, call.at)
    if refusal is not None:
        _refuse(caller, call, refusal)
    else:
        _forward(caller, request, verdict, call, scheme)


def _go_on(
    caller: "Caller", request: RequestHead, admitted: Admitted, call: Call, scheme: bytes, refusal: Refusal | None
) -> None:
    """The shared counters have decided, in a later turn. The caller may have gone meanwhile."""
    if caller.call is not call:
        return
    try:
        if refusal is not None:
            _refuse(caller, call, refusal)
        else:
            _forward(caller, request, admitted, call, scheme)
        caller.release()
    except Exception:
        # The counters have more calls to tell.
        logger.exception("a call failed that had waited for its limits")
        caller.cut_off()


def _refuse(caller: "Caller", call: Call, refusal: Refusal) -> None:
    call.verdict = refusal
    call.failed(refusal.source, refusal.reason)
    body = refusal.body if refusal.status < 500 else replies.with_activity(refusal.body, call.request_id)
    caller.answer(refusal.status, body, refusal.headers)


def _tells(caller: "Caller", request: RequestHead) -> bool:
    """Whether it is about the gateway itself, and answered."""
    if request.target == STATUS_TARGET:
        _answer_health(caller)
    elif request.target.startswith(TRACES_TARGET):
        _answer_trace(caller, request)
    else:
        return False
    return True


def _answer_trace(caller: "Caller", request: RequestHead) -> None:
    """A debug trace, for a token of those whose call it was."""
    server = caller.server
    trace: bytes | None = None
    if server.catalogue is not None and server.debugging is not None:
        trace_id = request.target.removeprefix(TRACES_TARGET).decode("latin-1")
        trace = server.debugging.fetch(request.fields.debug_token, trace_id, server.catalogue, time.time())
    if trace is None:
        caller.end(caller.reply(401, replies.error_body(401, "A debug token that has not expired is needed.")))
    elif not trace:
        caller.end(caller.reply(404, replies.error_body(404, "Resource not found")))
    else:
        caller.end(caller.reply(200, trace))


def _answer_health(caller: "Caller") -> None:
    if caller.server.catalogue is None or caller.server.is_draining:
        caller.end(caller.reply(503, b"Service Unavailable", _TEXT))
    else:
        caller.end(caller.reply(200, b"Service Operational", _TEXT))


def _through_proxies(caller: "Caller", request: RequestHead) -> tuple[str, bytes]:
    """Caller's address and scheme, as far as the trusted proxies in front tell them."""
    chain = b",".join(value for name, value in request.fields.pairs if name == b"x-forwarded-for")
    protocols = [value.lower() for name, value in request.fields.pairs if name == b"x-forwarded-proto"]
    address = caller.server.proxies.caller(caller.peer, chain) if chain else caller.peer
    if not protocols:
        return address, caller.scheme
    return address, b"https" if protocols == [b"https"] else b"http"


def _ends_here(caller: "Caller", request: RequestHead) -> bool:
    """Whether an admitted call may not go on to the backend, and is answered. No limit counts it."""
    if request.length is not None and request.length > caller.body_limit:
        caller.fail(413, "The request body is too large.", "client", "RequestBodyTooLarge")
    elif caller.server.name in request.fields.passed:
        caller.fail(508, "The call has come back: the API leads to the gateway itself.", "forward-request", "Loop")
    elif request.fields.max_forwards == 0 and request.method == b"OPTIONS":
        caller.answer(200, b"", ())  # RFC 9110 7.6.2: nobody else may be asked.
    else:
        return False
    return True


def _forward(caller: "Caller", request: RequestHead, admitted: Admitted, call: Call, scheme: bytes) -> None:
    fields = request.fields
    if fields.max_forwards is not None and request.method == b"OPTIONS":
        fields = one_hop_fewer(fields)
    # The call is admitted and its body will be read, whatever the backend makes of an
    # expectation: many never answer it.
    caller.invite_body()
    backend = admitted.backend
    if isinstance(backend, Backend):
        caller.outgoing.forward(_head_for(backend, admitted, caller, request, fields, call, scheme), backend, call)
    else:

        def head_for(member: Backend) -> bytes:
            return _head_for(member, admitted, caller, request, fields, call, scheme)

        caller.outgoing.attempts = Attempts(caller, call, backend, head_for)
        caller.outgoing.attempts.begin()


def _head_for(
    backend: Backend,
    admitted: Admitted,
    caller: "Caller",
    request: RequestHead,
    fields: Fields,
    call: Call,
    scheme: bytes,
) -> bytes:
    target = admitted.target if backend is admitted.backend else backend.target(admitted.target)
    lines = caller.outgoing.lines(fields, request.authority, admitted.key_header, scheme, backend.added)
    if fields.websocket_key is not None and is_websocket_handshake(request):
        lines = UPGRADE_LINES + lines
    if call.trace is not None:
        lines = call.trace.line + lines
    return backend_head(request.method, target, backend.host_header, request.length, call.request_id, lines)
