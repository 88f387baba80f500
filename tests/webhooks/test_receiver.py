"""The example receiver, sent to by the functions that the worker runs."""

import threading
import time

import pytest

from events import names
from events.recording import record
from examples.webhooks.receiver import is_genuine, make_server
from notifications.telling import tell_new
from webhooks import queue, signing
from webhooks.delivery import deliver_due
from webhooks.models import Delivery

SECRET = signing.new_secret()


@pytest.fixture
def listen():
    servers = []

    def start(secret: str, take) -> str:
        server = make_server(secret, 0, take)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_event_arrives_once_though_it_is_sent_twice(make_endpoint, listen, alice):
    taken = []
    endpoint = make_endpoint()
    endpoint.url = listen(endpoint.secret, taken.append)
    endpoint.save()
    record(names.USER_CLOSED, user=alice, by=alice, email=alice.email, person="Alice")
    tell_new()
    assert deliver_due() == 1
    queue.replay(Delivery.objects.all(), Delivery.objects.get().created_at)
    assert deliver_due() == 1
    assert Delivery.objects.get().last_result == "204"
    [message] = taken
    assert (message["type"], message["service"], message["version"]) == ("user.closed", "demo", 1)
    assert message["data"] == {
        "user": {"id": alice.pk, "email": alice.email},
        "email": alice.email,
        "by": {"id": alice.pk},
    }


def test_a_message_of_another_secret_is_refused(make_endpoint, listen):
    taken = []
    make_endpoint(listen(SECRET, taken.append))
    queue.write(record(names.USER_CLOSED))
    deliver_due()
    assert (Delivery.objects.get().last_result, taken) == ("401", [])


def test_old_messages_are_refused():
    now = time.time()
    headers = signing.headers([SECRET], "1", int(now), b"{}")
    assert is_genuine(SECRET, headers, b"{}", now)
    assert not is_genuine(SECRET, headers, b"{}", now + 301)
    assert not is_genuine(SECRET, headers, b"{ }", now)
    assert not is_genuine(SECRET, {}, b"{}", now)
