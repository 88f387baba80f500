"""An operation to call, and a stand-in for the gateway that keeps the bytes it is sent."""

import socket
import threading
from collections.abc import Callable

import pytest
from django.urls import reverse

from apis.models import Operation, Parameter, Representation
from portal.console import allowance
from subscriptions import keys, lifecycle
from subscriptions.models import SubscriptionKey

Location = Parameter.Location
EXAMPLE = '{"Inputs": {}}'


def answer(body: bytes = b"{}", *lines: str, status: str = "200 OK", type: str = "application/json") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *([f"Content-Type: {type}"] if type else []), *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class StandIn:
    """Answers each connection with `answer`, or leaves it to `behave`; `received` are whole requests."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.answer = answer()
        self.behave: Callable[[socket.socket], None] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._take(connection)
                except OSError:
                    continue  # The console hung up, as some tests want it to.

    def _take(self, connection: socket.socket) -> None:
        request = b""
        while not self._is_whole(request):
            piece = connection.recv(65536)
            if not piece:
                return
            request += piece
        self.received.append(request)
        if self.behave is not None:
            self.behave(connection)
        else:
            connection.sendall(self.answer)

    def _is_whole(self, request: bytes) -> bool:
        head, end, body = request.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return bool(end) and len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def request_line(self) -> str:
        return self.received[-1].split(b"\r\n")[0].decode()

    @property
    def lines(self) -> list[str]:
        return self.received[-1].split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]

    @property
    def body(self) -> bytes:
        return self.received[-1].split(b"\r\n\r\n", 1)[1]


@pytest.fixture
def gateway(settings):
    stand_in = StandIn()
    settings.GATEWAY_INTERNAL_URL = stand_in.url
    settings.GATEWAY_URL = "http://api.example.org:8080"
    yield stand_in
    stand_in.close()


@pytest.fixture(autouse=True)
def fresh_allowance(monkeypatch):
    """No test pays for the calls of another one."""
    monkeypatch.setattr(allowance, "_in_flight", allowance.InFlight())
    monkeypatch.setattr(allowance, "_guest_calls", allowance.GuestCalls())


@pytest.fixture
def execute(starter, api) -> Operation:
    """A POST with template, query and header parameters and an example, in a product that everybody sees."""
    operation = Operation.objects.create(
        api=api, name="execute", display_name="Execute", method="POST", url_template="/services/{service}/x?v={version}"
    )
    for location, name, value, required in (
        (Location.TEMPLATE, "service", "s1", True),
        (Location.TEMPLATE, "version", "2.0", True),
        (Location.QUERY, "format", "", False),
        (Location.QUERY, "trace", "on", False),
        (Location.HEADER, "Authorization", "Bearer abc", True),
        (Location.HEADER, "X-Optional", "", False),
    ):
        Parameter.objects.create(
            operation=operation, location=location, name=name, default_value=value, required=required
        )
    Representation.objects.create(operation=operation, content_type="application/json", example=EXAMPLE)
    return operation


@pytest.fixture
def operation_of(api, starter):
    """Make another operation of the API: `operation_of("GET", "/files/{*rest}")`."""

    def make(method: str, url_template: str) -> Operation:
        return Operation.objects.create(
            api=api, name="other", display_name="Other", method=method, url_template=url_template
        )

    return make


@pytest.fixture
def alices(alice, starter):
    return lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)


def key_of(subscription) -> str:
    return keys.reveal(subscription, SubscriptionKey.Slot.PRIMARY)


@pytest.fixture
def send(client, signed_in):
    """Post the form as the page has it, changed by `fields`: `send(execute, by=alice, **{"body": ""})`."""

    def post(operation: Operation, fields: dict | None = None, *, by=None, htmx: bool = False, **options):
        browser = signed_in(by) if by is not None else client
        data = {"on": ["query:trace", "header:Content-Type"], "body": EXAMPLE if operation.name == "execute" else ""}
        headers = {"HX-Request": "true"} if htmx else {}
        return browser.post(
            reverse("portal:send", args=[operation.api.name, operation.name]),
            data | (fields or {}),
            headers=headers,
            **options,
        )

    return post
