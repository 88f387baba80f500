"""Heads of answers as the caller gets them: the backend's, with what the gateway adds or takes out, and its own."""

from gateway.calls.call import Call
from gateway.catalogue.admission import Admitted
from gateway.catalogue.deprecation import with_lines
from gateway.http import replies
from gateway.http.cors import NOT_ALLOWED, without_backends_own
from gateway.http.forwarding import UPGRADE_LINES, ResponseHead
from gateway.http.head import RequestHead
from gateway.http.request_id import new_request_id


def backends_answer(call: Call, request: RequestHead, response: ResponseHead, *, is_last: bool) -> tuple[bytes, bool]:
    """The head of a backend's answer, and whether its body is to be chunked. `is_last`: the connection closes then."""
    old = request.fields.is_http_1_0
    rechunk = response.length is None and not old
    framing = b"Transfer-Encoding: chunked\r\n" if rechunk else b""
    if is_last:
        framing += b"Connection: close\r\n"
    elif old:
        framing += b"Connection: keep-alive\r\n"
    if rechunk and response.trailer_line and request.fields.takes_trailers:
        framing += response.trailer_line
    if not response.has_date:  # RFC 9110 6.6.1
        framing += b"Date: %b\r\n" % replies.date()
    if call.debug_line:
        framing += call.debug_line
        if call.debug is not None:
            call.debug.answered(call, response)
    start, cors_lines = _start(call, response), call.cors_lines
    if cors_lines and cors_lines is not NOT_ALLOWED:
        start = without_backends_own(start)
    return b"%b%bX-Request-Id: %b\r\n%b\r\n" % (start, cors_lines, call.request_id, framing), rechunk


def switching_answer(call: Call, response: ResponseHead) -> bytes:
    """The 101 of a backend that has accepted a WebSocket."""
    lines = call.debug_line if response.has_date else b"Date: %b\r\n%b" % (replies.date(), call.debug_line)
    if call.debug is not None:
        call.debug.answered(call, response)
    return b"%b%bX-Request-Id: %b\r\n%b\r\n" % (_start(call, response), UPGRADE_LINES, call.request_id, lines)


def _start(call: Call, response: ResponseHead) -> bytes:
    """Status line and fields of the backend's answer, with what is left of the call's limits in place of its own.

    So it is with what a deprecated API or operation is to say.
    """
    start, verdict = response.start, call.verdict
    if verdict.limit_lines and isinstance(verdict, Admitted) and verdict.limits is not None:
        if response.has_limit_fields or verdict.limits.names_fields:
            start = verdict.limits.fields.sub(b"", start)
        start += verdict.limit_lines
    return with_lines(start, call.deprecation_lines) if call.deprecation_lines else start


def own_answer(
    call: Call | None, request: RequestHead, status: int, body: bytes, headers: replies.Headers, *, is_last: bool
) -> bytes:
    """The whole of an answer by the gateway itself. `call` is None where the request is no call of an API."""
    return replies.reply(
        status,
        body,
        request_id=call.request_id if call is not None else new_request_id(),
        headers=headers,
        lines=call.verdict.limit_lines + call.cors_lines + call.deprecation_lines + call.debug_line
        if call is not None
        else b"",
        connection=b"close" if is_last else b"keep-alive" if request.fields.is_http_1_0 else b"",
        without_body=request.method == b"HEAD",
    )
