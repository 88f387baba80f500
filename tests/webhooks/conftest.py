import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest

from notifications.models import OutboxMail
from notifications.telling import tell_new
from service.models import Service
from webhooks.endpoints import put_new_secret
from webhooks.models import Delivery, Endpoint

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Receiver:
    """A server that answers what `answers` says, the last one again and again, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(204, {}, b"")]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.hold: threading.Event | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if outer.hold is not None:
                    outer.hold.wait(20)
                answers = outer.answers
                status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def answer(self, *statuses: int, body: bytes = b"", **headers: str) -> None:
        self.answers = [(status, headers, body) for status in statuses]


@pytest.fixture
def make_receiver() -> Iterator[type[Receiver]]:
    made: list[Receiver] = []

    def make() -> Receiver:
        receiver = Receiver()
        threading.Thread(target=receiver.server.serve_forever, args=(0.01,), daemon=True).start()
        made.append(receiver)
        return receiver

    yield make
    for receiver in made:
        if receiver.hold is not None:
            receiver.hold.set()
        receiver.server.shutdown()
        receiver.server.server_close()


@pytest.fixture
def receiver(make_receiver) -> Receiver:
    return make_receiver()


@pytest.fixture
def service(settings, db) -> Service:
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    return Service.objects.create(
        pk=1, name="demo", organization_name="Demo & Sons", administrator_email="admin@example.org"
    )


@pytest.fixture
def new_mails(settings):
    """The mails that are written when new events are told: recipients and subject."""
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"

    def write() -> list[tuple[list[str], str]]:
        tell_new()
        return [(mail.recipients, mail.subject) for mail in OutboxMail.objects.order_by("pk")]

    return write


@pytest.fixture
def make_endpoint(service):
    def make(url: str = "http://127.0.0.1:9/hook", **fields) -> Endpoint:
        endpoint = Endpoint(**{"name": f"CRM {url}", "url": url, "allows_http": True, "events": ["*"]} | fields)
        endpoint.secret = put_new_secret(endpoint)
        endpoint.save()
        return endpoint

    return make


@pytest.fixture
def endpoint(make_endpoint, receiver) -> Endpoint:
    return make_endpoint(receiver.url, name="CRM")


def waiting(endpoint: Endpoint, **fields) -> Delivery:
    values = {"type": "user.closed", "body": '{"type":"user.closed"}', "next_attempt_at": NOON}
    return Delivery.objects.create(endpoint=endpoint, **values | fields)
