"""How soon does the gateway know of a change? `python -m bench.live [--subscriptions N] [--rounds N]`.

A whole product of its own, on SQLite or on the empty database of DATABASE_URL: the change is made as the
portal makes it, the publisher writes it to the snapshot, the gateway takes it over. Prints the time from
the change's commit to the first call that is answered by it.
"""

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import django
from django.core.management import call_command

from bench import peers
from bench.polling import seconds_until

if TYPE_CHECKING:
    from subscriptions.models import Subscription

ROOT = Path(__file__).parent.parent
BULK = 1000
OPEN, CLOSED = 200, 401


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscriptions", type=int, default=100_000, help="that do not change")
    parser.add_argument("--rounds", type=int, default=20, help="of each change")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        directory.chmod(0o755)
        os.environ.update(
            SECRET_KEY="s" * 40,
            KEY_ENCRYPTION_KEY=peers.KEY_ENCRYPTION_KEY,
            DATA_DIR=str(directory),
            DJANGO_SETTINGS_MODULE="portal.settings",
        )
        django.setup()
        call_command("migrate", verbosity=0)
        backend = stack.enter_context(peers.backend(directory / "backend"))
        fill(backend.port, options.subscriptions)
        port = stack.enter_context(product(directory))
        measure(port, options.rounds)
    return 0


def fill(backend_port: int, count: int) -> None:
    """A catalogue of one API, and subscriptions whose keys nobody knows."""
    from apis.models import API, Operation
    from subscriptions.models import Product, Subscription, SubscriptionKey

    service_url = f"http://127.0.0.1:{backend_port}/data"
    api = API.objects.create(name="data", display_name="Data", path="data", service_url=service_url, scheme="both")
    Operation.objects.create(api=api, name="read", display_name="Read", method="GET", url_template="/{name}")
    product = Product.objects.create(name="bench", display_name="Bench", state=Product.State.PUBLISHED)
    product.apis.add(api)
    for first in range(0, count, BULK):
        rows = Subscription.objects.bulk_create(
            Subscription(display_name=f"Subscription {number}", product=product)
            for number in range(first, min(first + BULK, count))
        )
        SubscriptionKey.objects.bulk_create(
            SubscriptionKey(subscription=row, slot=slot, digest=secrets.token_hex(32), ciphertext="-")
            for row in rows
            for slot in SubscriptionKey.Slot
        )


@contextlib.contextmanager
def product(directory: Path) -> Iterator[int]:
    """Publisher and gateway; yields the gateway's port."""
    port = peers.free_port()
    environment = {**os.environ, "GATEWAY_PORT": str(port), "GATEWAY_MANAGEMENT_PORT": "0"}
    with (directory / "log").open("wb") as log:
        started = [
            subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log)
            for command in (["manage.py", "publish"], ["-m", "gateway"])
        ]
    try:
        yield port
    finally:
        for process in started:
            process.terminate()
            process.wait()


def measure(port: int, rounds: int) -> None:
    from accounts import user_states
    from accounts.models import User
    from apis.models import API
    from subscriptions import keys, lifecycle
    from subscriptions.models import Subscription, SubscriptionKey

    changes: dict[str, Callable[[Subscription], object]] = {
        "a subscription is suspended": lambda one: lifecycle.change_state(one, Subscription.State.SUSPENDED, by=None),
        "a key is replaced": lambda one: keys.regenerate(one, SubscriptionKey.Slot.PRIMARY),
        "a person is blocked": lambda one: user_states.change_state(one.owner, User.State.BLOCKED, by=None),
    }
    key = keys.reveal(subscribe(), SubscriptionKey.Slot.PRIMARY)
    seconds_until(OPEN, port, "/data/1k", key)  # Until then publisher and gateway start.
    print("| what changes | median s | at most s |\n| --- | ---: | ---: |")
    added = []
    for name, change in changes.items():
        waits = []
        for _ in range(rounds):
            subscription = subscribe()
            own_key = keys.reveal(subscription, SubscriptionKey.Slot.PRIMARY)
            added.append(seconds_until(OPEN, port, "/data/1k", own_key))
            change(subscription)
            waits.append(seconds_until(CLOSED, port, "/data/1k", own_key))
        print_row(name, waits)
    print_row("somebody subscribes", added)
    waits = []
    for number in range(rounds):
        api = API.objects.get(name="data")
        api.path = f"data-{number}"
        api.save()
        waits.append(seconds_until(OPEN, port, f"/{api.path}/1k", key))
    print_row("an API gets another path", waits)


def subscribe() -> "Subscription":
    from accounts.models import User
    from subscriptions import lifecycle
    from subscriptions.models import Product

    user = User.objects.create_user(f"{secrets.token_hex(8)}@example.org")
    return lifecycle.subscribe(user=user, product=Product.objects.get(name="bench"), display_name="Bench")


def print_row(name: str, waits: list[float]) -> None:
    print(f"| {name} | {median(waits):.2f} | {max(waits):.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
