"""What ends a key ends it for callers and open sockets: from the database through the publisher."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.gateway.conftest import Gateway
from tests.gateway.raw import OK, Backend, BackendConnection, Client
from tests.gateway.test_wire_websocket import HANDSHAKE, SWITCHED, echo
from tests.publisher.publisher_process import Publisher, until

SET_UP = """
from apis.models import API, Operation
from subscriptions.models import Product

api = API.objects.create(
    name="echo", display_name="Echo", path="echo", service_url="http://127.0.0.1:{port}", scheme="both"
)
Operation.objects.create(api=api, name="q", display_name="Q", method="GET", url_template="/q")
product = Product.objects.create(name="starter", display_name="Starter", state="published")
product.apis.add(api)
"""
# Somebody subscribes, with a key of this name; when a line comes, the change is made.
SUBSCRIBE = """
from django.utils import timezone
from accounts import user_states
from accounts.models import User
from subscriptions import keys, lifecycle
from subscriptions.models import Product, Subscription, SubscriptionKey

user = User.objects.create_user("{name}@example.org", "correct horse battery")
product = Product.objects.get(name="starter")
subscription = lifecycle.subscribe(user=user, product=product, display_name="{name}", now=timezone.now())
keys.set_value(subscription, SubscriptionKey.Slot.PRIMARY, "a-key-that-is-known-to-{name}", by=user)
input()
{change}
"""
CHANGES = {
    "blocked": "user_states.change_state(subscription.owner, User.State.BLOCKED, by=None)",
    "suspended": "lifecycle.change_state(subscription, Subscription.State.SUSPENDED, by=None)",
    "regenerated": "keys.regenerate(subscription, SubscriptionKey.Slot.PRIMARY)",
}


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Iterator[tuple[Publisher, Gateway]]:
    directory = tmp_path_factory.mktemp("product")
    backend, publisher = Backend(), Publisher(directory)
    backend.behave = answer_or_echo
    set_up = publisher.shell(SET_UP.format(port=backend.port))
    set_up.communicate()
    assert set_up.returncode == 0
    with publisher.running():
        until(publisher.file.exists)
        gateway = Gateway(directory, None).wait_until_it_listens().wait_for_log("snapshot in use")
        yield publisher, gateway
        gateway.kill()
    backend.close()


def answer_or_echo(connection: BackendConnection) -> None:
    # A change takes a process that loads all of the product's code; meanwhile nothing is sent.
    connection.socket.settimeout(None)
    while b"\r\nSec-WebSocket-Key:" not in connection.read_request():
        connection.send(OK)
    connection.send(SWITCHED + b"\r\n")
    echo(connection)


def get(name: str, lines: bytes = b"") -> bytes:
    key = f"a-key-that-is-known-to-{name}".encode()
    return b"GET /echo/q HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: %b\r\n%b\r\n" % (key, lines)


def status(gateway: Gateway, name: str) -> int:
    client = gateway.connect()
    found = client.ask(get(name)).status
    client.close()
    return found


def web_socket(gateway: Gateway, name: str) -> Client:
    client = gateway.connect()
    assert client.ask(get(name, HANDSHAKE)).status == 101
    return client


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_key_and_its_socket_stop(change, product):
    publisher, gateway = product
    name, bystander = f"somebody-{uuid4()}", f"bystander-{uuid4()}"
    shells = {one: publisher.shell(SUBSCRIBE.format(name=one, change=change)) for one in (name, bystander)}
    for one in shells:
        until(lambda one=one: status(gateway, one) == 200)
    ending, going_on = web_socket(gateway, name), web_socket(gateway, bystander)
    shells[name].communicate("\n")
    assert shells[name].returncode == 0
    until(lambda: status(gateway, name) == 401)
    assert ending.is_closed()
    assert status(gateway, bystander) == 200
    going_on.send(b"still")
    assert going_on.read(5) == b"still"
    shells[bystander].communicate("\n")
