"""What ends a key ends it for callers and open sockets within a second: from the database through the publisher."""

import time
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Gateway, wait_for
from tests.gateway.raw import OK, Backend, BackendConnection, Client
from tests.gateway.test_wire_websocket import HANDSHAKE, SWITCHED, echo
from tests.publisher.publisher_process import Publisher

SECONDS = 1.0
# Each person has a subscription, with this key.
SET_UP = """
from django.utils import timezone
from accounts.models import User
from apis.models import API, Operation
from subscriptions import keys, lifecycle
from subscriptions.models import Product, SubscriptionKey

api = API.objects.create(
    name="echo", display_name="Echo", path="echo", service_url="http://127.0.0.1:{port}", scheme="both"
)
Operation.objects.create(api=api, name="q", display_name="Q", method="GET", url_template="/q")
product = Product.objects.create(name="starter", display_name="Starter", state="published")
product.apis.add(api)
for name in {names}:
    user = User.objects.create_user(f"{{name}}@example.org", "correct horse battery")
    subscription = lifecycle.subscribe(user=user, product=product, display_name=name, now=timezone.now())
    keys.set_value(subscription, SubscriptionKey.Slot.PRIMARY, f"a-key-that-is-known-to-{{name}}", by=user)
"""
CHANGE = """
import time
from accounts import user_states
from accounts.models import User
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription, SubscriptionKey

subscription = Subscription.objects.get(display_name="{name}")
{statement}
print(time.time())
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
    set_up = publisher.shell(SET_UP.format(port=backend.port, names=[*CHANGES, "bystander"]))
    set_up.communicate()
    assert set_up.returncode == 0
    with publisher.running():
        # The publisher begins with all of the product's code to load.
        wait_for(publisher.file.exists, seconds=60)
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


@pytest.mark.parametrize("name", CHANGES)
def test_a_key_and_its_socket_stop_within_a_second(name, product):
    publisher, gateway = product
    assert status(gateway, name) == 200
    ending, going_on = web_socket(gateway, name), web_socket(gateway, "bystander")
    change = publisher.shell(CHANGE.format(name=name, statement=CHANGES[name]))
    gives_up_at = time.monotonic() + 60
    called_at = last_admitted_at = time.time()
    while (found := status(gateway, name)) == 200:
        assert time.monotonic() < gives_up_at
        last_admitted_at, called_at = called_at, time.time()
    assert ending.is_closed()
    ended_at = time.time()
    changed_at = float(change.communicate()[0])
    assert found == 401
    assert last_admitted_at - changed_at < SECONDS
    assert ended_at - changed_at < SECONDS
    assert status(gateway, "bystander") == 200
    going_on.send(b"still")
    assert going_on.read(5) == b"still"
