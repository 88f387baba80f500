"""Answers that the gateway gives by itself, in the wording of Azure API Management."""

import json
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

Headers = tuple[tuple[bytes, bytes], ...]

JSON: Headers = ((b"Content-Type", b"application/json"),)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def error_body(status: int, message: str, activity_id: bytes = b"") -> bytes:
    """The captured answers have one space of padding inside the braces. `message` is a text of ours or llhttp's."""
    body = b'{ "statusCode": %d, "message": %b }' % (status, json.dumps(message).encode())
    return with_activity(body, activity_id) if activity_id else body


def with_activity(body: bytes, activity_id: bytes) -> bytes:
    """An error body that names the call: those of status 500 and above do."""
    return body.removesuffix(b" }") + b', "activityId": "%b" }' % activity_id


def reply(
    status: int,
    body: bytes,
    *,
    request_id: bytes,
    headers: Headers = JSON,
    lines: bytes = b"",
    connection: bytes = b"",
    without_body: bool = False,
) -> bytes:
    """The whole answer. `lines` are more headers, each with its CRLF.

    `without_body` is for HEAD, whose answer tells the length only (RFC 9110 9.3.2).
    """
    lines = b"".join([b"%b: %b\r\n" % header for header in headers]) + lines
    return b"%bDate: %b\r\n%bContent-Length: %d\r\nX-Request-Id: %b\r\n%b\r\n%b" % (
        _STATUS_LINES[status],
        date(),
        lines,
        len(body),
        request_id,
        b"Connection: %b\r\n" % connection if connection else b"",
        b"" if without_body else body,
    )


def date() -> bytes:
    """The value of a Date field, now."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
