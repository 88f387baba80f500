"""Do changes of the configuration disturb calls? `python -m bench.swap [--rounds N] [--seconds N] [--swaps N]`.

A gateway with 5,000 operations and 100,000 subscriptions is on core 0, under full load; the load,
the backend and whoever changes the configuration share core 1. Rounds take turns: no change, a
subscription changed 20 times a second, an API changed 5 times a second, and a whole new file each
second, all of whose subscriptions and operations differ from the one before. Then, how long a new key
takes until it works, from the end of writing it; and whether memory grows with whole new files.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from bench import load, peers
from bench.polling import seconds_until
from bench.size import LARGE, sized
from gateway.catalogue.watch import Watch
from gateway.configuration import key_digest, snapshot
from gateway.configuration.sealed import cipher
from gateway.configuration.snapshot import Gone, Snapshot

CONNECTIONS = 32
NEW_KEYS = 20


class Configuration:
    """A gateway's snapshot file, and ways to change it."""

    def __init__(self, served: Snapshot, other: Snapshot, directory: Path) -> None:
        self.file = directory / "gateway" / "snapshot.msgpack"
        self._served = served
        self._revision = 1
        self._fresh = directory / "fresh"
        self._wholes = [directory / "one", directory / "other"]
        for whole, file in zip((served, other), self._wholes, strict=True):
            snapshot.write(whole, file)

    def change_subscription(self) -> str:
        """Add a subscription, and return its key."""
        self._revision += 1
        key = f"new-{self._revision:032}"
        subscriptions = (peers.subscription(key, number=2**32 + self._revision),)
        self._append(replace(self._empty(), subscriptions=subscriptions))
        return key

    def change_api(self) -> None:
        self._revision += 1
        api = self._served.apis[1]
        operation = replace(api.operations[0], url_template=f"/changed-{self._revision}/{{id}}")
        self._append(replace(self._empty(), apis=(replace(api, operations=(operation, *api.operations[1:])),)))

    def replace_all(self) -> None:
        """Put one of two prepared files there, which costs next to nothing here."""
        self._wholes.reverse()
        self._fresh.hardlink_to(self._wholes[0])
        self._fresh.replace(self.file)

    def _empty(self) -> Snapshot:
        return replace(self._served, revision=self._revision, apis=(), products=(), subscriptions=())

    def _append(self, changed: Snapshot) -> None:
        snapshot.append(changed, Gone(), self.file, self.file.stat().st_size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each round")
    parser.add_argument("--swaps", type=int, default=200, help="whole new files for the measure of memory")
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        directory.chmod(0o755)
        backend = stack.enter_context(peers.backend(directory / "backend"))
        served = sized(backend.port, *LARGE)
        gateway = stack.enter_context(peers.gateway_with(served, directory / "gateway"))
        other = different(served)
        measure_steps(served, other, directory)
        configuration = Configuration(served, other, directory / "gateway")
        compare(gateway, configuration, options.rounds, options.seconds)
        measure_new_keys(gateway, configuration)
        measure_memory(gateway, configuration, options.swaps)
    return 0


def different(served: Snapshot) -> Snapshot:
    """The same keys and paths, but no operation or subscription is equal."""
    return replace(
        served,
        apis=tuple(
            replace(api, operations=tuple(replace(one, id=one.id + 10_000) for one in api.operations))
            for api in served.apis
        ),
        subscriptions=tuple(replace(one, owner=2) for one in served.subscriptions),
    )


def measure_steps(served: Snapshot, other: Snapshot, directory: Path) -> None:
    """What one gateway process does for a new file, in CPU time: no call waits for longer than one step."""
    file = directory / "measured"
    secret = key_digest.digest_secret(peers.KEY_ENCRYPTION_KEY)
    watch = Watch(file, secret, cipher(peers.KEY_ENCRYPTION_KEY), lambda catalogue: None)
    print("| a file that | CPU s | longest step, CPU ms |\n| --- | ---: | ---: |")
    for name, content in (
        ("is the first one", served),
        ("says the same", served),
        ("says other things throughout", other),
    ):
        snapshot.write(content, file)
        steps = watch.steps()
        times = [time.thread_time()]
        times += [time.thread_time() for _ in steps]
        times.append(time.thread_time())
        longest = max(after - before for before, after in pairwise(times))
        print(f"| {name} | {times[-1] - times[0]:.2f} | {longest * 1e3:.2f} |")


def compare(gateway: peers.Peer, configuration: Configuration, rounds: int, seconds: int) -> None:
    changes: dict[str, tuple[Callable[[], object], float]] = {
        "no change": (lambda: None, 1.0),
        "subscriptions": (configuration.change_subscription, 0.05),
        "an API": (configuration.change_api, 0.2),
        "everything": (configuration.replace_all, 1.0),
    }
    loads: dict[str, list[load.Load]] = {name: [] for name in changes}
    for _ in range(rounds):
        for name, (change, pause) in changes.items():
            with repeating(change, pause):
                measured = load.full(
                    gateway.port, "rrs", connections=CONNECTIONS, seconds=seconds, prefix=gateway.prefix
                )
            loads[name].append(measured)
    p99 = {name: median(one.p99 for one in measured) for name, measured in loads.items()}
    print("\n| what changes | requests/s | p50 ms | p99 ms | p99, of no change |\n| --- | ---: | ---: | ---: | ---: |")
    for name, measured in loads.items():
        rate, p50 = median(one.per_second for one in measured), median(one.p50 for one in measured)
        print(f"| {name} | {rate:,.0f} | {p50:.2f} | {p99[name]:.2f} | {p99[name] / p99['no change']:.2f} |")
    sys.stdout.flush()


@contextlib.contextmanager
def repeating(change: Callable[[], object], pause: float) -> Iterator[None]:
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(pause):
            change()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def measure_new_keys(gateway: peers.Peer, configuration: Configuration) -> None:
    print()
    seconds_until_live(gateway, configuration)  # What was changed before is taken over then.
    for name in ("idle", "under load"):
        with contextlib.ExitStack() as stack:
            if name == "under load":
                stack.enter_context(loaded(gateway))
            waits = sorted(seconds_until_live(gateway, configuration) for _ in range(NEW_KEYS))
        print(f"a new key works after {median(waits):.2f} s, {waits[-1]:.2f} s at most ({name})")


@contextlib.contextmanager
def loaded(gateway: peers.Peer) -> Iterator[None]:
    """Full load until the context ends, and a little longer."""
    call = partial(load.full, gateway.port, "rrs", connections=CONNECTIONS, seconds=1, prefix=gateway.prefix)
    with repeating(call, pause=0):
        yield


def seconds_until_live(gateway: peers.Peer, configuration: Configuration) -> float:
    return seconds_until(200, gateway.port, f"{gateway.prefix}/data/1k", configuration.change_subscription())


def measure_memory(gateway: peers.Peer, configuration: Configuration, swaps: int) -> None:
    """A key added to a file works once all that comes before it has been taken over."""
    sizes = []
    for _ in range(swaps):
        configuration.replace_all()
        seconds_until_live(gateway, configuration)
        sizes.append(gateway.resident_bytes() / 2**20)
    if sizes:
        tenth = max(len(sizes) // 10, 1)
        print(
            f"\n{swaps} times everything new: {median(sizes[:tenth]):.0f} MB resident at first, "
            f"{median(sizes[-tenth:]):.0f} MB at last, {max(sizes):.0f} MB at most"
        )


if __name__ == "__main__":
    sys.exit(main())
