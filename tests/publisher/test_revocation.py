"""What ends a key ends it for callers within a second: from the database through the publisher to the gateway."""

import time
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Gateway
from tests.gateway.raw import OK, Backend
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
    backend.answer = OK
    set_up = publisher.shell(SET_UP.format(port=backend.port, names=[*CHANGES, "bystander"]))
    set_up.communicate()
    assert set_up.returncode == 0
    with publisher.running():
        gateway = Gateway(directory, None).wait_until_it_listens().wait_for_log("snapshot in use")
        yield publisher, gateway
        gateway.kill()
    backend.close()


def status(gateway: Gateway, name: str) -> int:
    key = f"a-key-that-is-known-to-{name}".encode()
    client = gateway.connect()
    found = client.ask(b"GET /echo/q HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: %b\r\n\r\n" % key).status
    client.close()
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_a_key_stops_within_a_second(name, product):
    publisher, gateway = product
    assert status(gateway, name) == 200
    change = publisher.shell(CHANGE.format(name=name, statement=CHANGES[name]))
    gives_up_at = time.monotonic() + 60
    called_at = last_admitted_at = time.time()
    while (found := status(gateway, name)) == 200:
        assert time.monotonic() < gives_up_at
        last_admitted_at, called_at = called_at, time.time()
    changed_at = float(change.communicate()[0])
    assert found == 401
    assert last_admitted_at - changed_at < SECONDS
    assert status(gateway, "bystander") == 200
