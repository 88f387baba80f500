"""HTTP requests and responses as values, between the ASGI server and what answers."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import parse_qsl

MAX_QUERY_PARAMETERS = 100


class ClientGone(Exception):
    """The connection ended before the request did: nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request. `path` is as it was sent, percent-encoded."""

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    client: str
    scheme: str

    @property
    def query(self) -> list[tuple[str, str]]:
        """Decoded parameters in order. Raises ValueError if there are too many."""
        return parse_qsl(self.query_string, keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of an open file as a response's body; whoever sends it closes the file."""

    file: BinaryIO
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes | FilePart = b""


def json_response(value: object, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(status, ((b"content-type", b"application/json; charset=utf-8"),), body)


def joined_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by lower-case name; repeated ones joined by commas (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
