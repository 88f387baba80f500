"""Sends a call to this service's own gateway, and to nothing else."""

import time
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit
from uuid import UUID

import requests
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import SKIP_HEADER

from portal.console.call import Call
from portal.console.cancellation import cancellable
from portal.console.deadline import Deadline, DeadlineAdapter

CONNECT_TIMEOUT_SECONDS = 5.0
USER_AGENT = "API-Management-Console"
_CHUNK_BYTES = 64 * 1024


class Ending(Enum):
    """How the body of an answer ended."""

    COMPLETE = "complete"
    OVER_LIMIT = "over the limit"
    BROKEN_OFF = "broken off"
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header fields are as they came, one pair per line; `body` is not yet decoded."""

    target: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    ending: Ending
    seconds: float

    def header(self, name: str) -> str:
        return next((value for given, value in self.headers if given.lower() == name), "")


class Silence(Enum):
    """Why there is no answer."""

    UNREACHABLE = "unreachable"
    OUT_OF_TIME = "out of time"
    CANCELLED = "cancelled"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    why: Silence
    seconds: float


def forward(
    call: Call,
    *,
    gateway_url: str,
    public_url: str,
    caller_address: str,
    timeout_seconds: float,
    response_limit_bytes: int,
    call_id: UUID | None = None,
) -> Answer | NoAnswer:
    """Send the call below `gateway_url` as if to `public_url`, and read at most so much for at most so long.

    It ends before that where somebody cancels `call_id`. Follows no redirect, knows no proxy, keeps no cookie.
    """
    started = time.monotonic()
    with requests.Session() as session, cancellable(timeout_seconds, call_id) as deadline:
        session.trust_env = False
        session.mount("http://", DeadlineAdapter(deadline))
        session.mount("https://", DeadlineAdapter(deadline))
        try:
            response = session.send(
                _prepared(call, gateway_url, _origin_headers(public_url, caller_address)),
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), timeout_seconds),
            )
        except RequestException as error:
            return NoAnswer(_silence(error, deadline), time.monotonic() - started)
        with response:
            if deadline.has_cut:  # In the middle of the head, which may look like its end.
                return NoAnswer(_cut(deadline), time.monotonic() - started)
            body, ending = _read(response, response_limit_bytes, deadline)
            if deadline.was_cancelled:
                return NoAnswer(Silence.CANCELLED, time.monotonic() - started)
            return Answer(
                target=response.raw.url or call.target,
                status=response.status_code,
                reason=response.reason or "",
                headers=tuple(response.raw.headers.items()),
                body=body,
                ending=ending,
                seconds=time.monotonic() - started,
            )


def _origin_headers(public_url: str, caller_address: str) -> dict[str, str]:
    """Where the call seems to go and whose it is. The gateway believes the latter if it trusts the portal's address."""
    public = urlsplit(public_url)
    return {"Host": public.netloc, "X-Forwarded-For": caller_address, "X-Forwarded-Proto": public.scheme}


def _prepared(call: Call, gateway_url: str, origin_headers: dict[str, str]) -> requests.PreparedRequest:
    prepared = requests.Request("GET", gateway_url, data=call.body).prepare()
    prepared.method = call.method
    # Set here because requests would tidy the URL up (it decodes %7E, for example) and join repeated headers.
    prepared.url = gateway_url + call.target
    headers = HTTPHeaderDict(origin_headers)
    for name, value in call.headers:
        headers.add(name, value)
    headers.setdefault("Accept", "*/*")
    headers.setdefault("User-Agent", USER_AGENT)
    headers.setdefault("Accept-Encoding", SKIP_HEADER)
    if call.body is not None:
        headers["Content-Length"] = str(len(call.body))
    prepared.headers = headers  # type: ignore[assignment]  # only read as a mapping
    return prepared


def _cut(deadline: Deadline) -> Silence:
    return Silence.CANCELLED if deadline.was_cancelled else Silence.OUT_OF_TIME


def _silence(error: RequestException, deadline: Deadline) -> Silence:
    if deadline.has_cut:
        return _cut(deadline)
    if isinstance(error, ReadTimeout):
        return Silence.OUT_OF_TIME
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError):
        return Silence.UNREACHABLE
    return Silence.BROKEN


def _read(response: requests.Response, limit: int, deadline: Deadline) -> tuple[bytes, Ending]:
    body = bytearray()
    try:
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            body += chunk
            if len(body) > limit:
                return bytes(body[:limit]), Ending.OVER_LIMIT
    except ReadTimeoutError:
        return bytes(body), Ending.OUT_OF_TIME
    except HTTPError:
        return bytes(body), Ending.OUT_OF_TIME if deadline.has_passed else Ending.BROKEN_OFF
    # A body that the end of the connection ends looks complete after a shutdown, too.
    return bytes(body), Ending.OUT_OF_TIME if deadline.has_passed else Ending.COMPLETE
