"""One POST to an address that was checked: no redirect is followed, no proxy is asked, nothing takes long."""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from portal.console.deadline import Deadline
from service.models import Service
from webhooks.addresses import Address, RefusedAddress, Target, checked_addresses, target_of

SECONDS = 10.0
ANSWER_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Message:
    url: str
    allows_http: bool
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer's status and beginning, or an error that says why there is none."""

    status: int | None = None
    answer: str = ""
    error: str = ""
    milliseconds: int = 0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(message: Message, service: Service | None) -> Outcome:
    """Asks no database, so that it may run in any thread."""
    started = time.monotonic()
    status, answer, error = None, "", ""
    try:
        target = target_of(message.url, allows_http=message.allows_http)
        addresses = checked_addresses(target, service)
        with Deadline(SECONDS) as deadline:
            status, answer = _exchange(target, addresses, message, deadline)
    except (RefusedAddress, ValidationError, OSError, HTTPException, ValueError) as failure:
        error = _in_words(failure)[:300].replace("\0", "")
    return Outcome(status, answer, error, int((time.monotonic() - started) * 1000))


def _exchange(target: Target, addresses: list[Address], message: Message, deadline: Deadline) -> tuple[int, str]:
    connected = _connected(target, addresses, deadline)
    # A connection that has its socket connects to nothing itself.
    kind = HTTPSConnection if target.is_tls else HTTPConnection
    with closing(kind(target.host, target.port)) as connection:
        connection.sock = connected
        try:
            connection.request("POST", target.path, message.body, dict(message.headers))
            response = connection.getresponse()
        except (OSError, HTTPException):
            if deadline.has_passed:
                raise TimeoutError from None
            raise
        if deadline.has_passed:  # In the middle of the head, which may look like its end.
            raise TimeoutError
        return response.status, _beginning(response)


def _connected(target: Target, addresses: list[Address], deadline: Deadline) -> socket.socket:
    """A connection to the first of the addresses that takes one."""
    end = time.monotonic() + SECONDS
    for number, address in enumerate(addresses, 1):
        try:
            plain = socket.create_connection((str(address), target.port), max(end - time.monotonic(), 0.1))
            break
        except OSError:
            if number == len(addresses):
                raise
    plain.settimeout(SECONDS)
    if not target.is_tls:
        deadline.watch(plain)
        return plain
    context = ssl.create_default_context()
    secured = context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
    deadline.watch(secured)
    try:
        secured.do_handshake()
    except OSError:
        secured.close()
        raise
    return secured


def _beginning(response: HTTPResponse) -> str:
    """What of the body comes in time; whether all of it does is of no matter."""
    raw = b""
    with suppress(OSError, HTTPException, ValueError):
        while len(raw) < ANSWER_BYTES and (part := response.read1(ANSWER_BYTES - len(raw))):
            raw += part
    return raw.decode("utf-8", "replace").replace("\0", "")


def _in_words(failure: Exception) -> str:
    if isinstance(failure, ValidationError):
        return failure.messages[0]
    if isinstance(failure, ssl.SSLCertVerificationError):
        return _("The certificate is not trusted: %(why)s") % {"why": failure.verify_message}
    if isinstance(failure, TimeoutError):
        return _("No answer within %(seconds)s seconds.") % {"seconds": int(SECONDS)}
    if isinstance(failure, ConnectionRefusedError):
        return _("Nothing listens there.")
    if isinstance(failure, RefusedAddress):
        return str(failure)
    return _("The talk failed: %(why)s") % {"why": f"{type(failure).__name__} {failure}"}
