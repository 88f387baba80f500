"""Does the gateway's speed depend on how much it serves? `python -m bench.size [--rounds N] [--seconds N]`.

Two gateways on core 0, one with 10 operations and 10 subscriptions, one with 5,000 and 100,000, are
called in turns: first with the same calls, of ten operations and subscriptions; then with calls of
all operations and subscriptions at random. CPU is the gateway's own time per call. The second kind
costs more where there are more of them: what is called for at random lies in no cache.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from bench import load, peers
from gateway.configuration.snapshot import API, Operation, Snapshot

Size = tuple[int, int]
"""Operations and subscriptions."""

SMALL: Size = (10, 10)
LARGE: Size = (5_000, 100_000)
OPERATIONS_PER_API = 10
CONNECTIONS = 32


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        directory.chmod(0o755)
        backend = stack.enter_context(peers.backend(directory / "backend"))
        gateways = {
            size: stack.enter_context(peers.gateway_with(sized(backend.port, *size), directory / str(size[0])))
            for size in (SMALL, LARGE)
        }
        print("the same calls\n")
        compare(gateways, dict.fromkeys(gateways, SMALL), options.rounds, options.seconds)
        print("\ncalls of all\n")
        compare(gateways, {size: size for size in gateways}, options.rounds, options.seconds)
        print()
        for size, gateway in gateways.items():
            print(f"{describe(size)}: {gateway.resident_bytes() / 2**20:.0f} MB resident")
    return 0


def compare(gateways: dict[Size, peers.Peer], called: dict[Size, Size], rounds: int, seconds: int) -> None:
    """Print a table; `called` is how many operations and subscriptions the calls to each gateway are about.

    The first round does not count: what is called for the first time costs more.
    """
    rates: dict[Size, list[float]] = {size: [] for size in gateways}
    cpu: dict[Size, list[float]] = {size: [] for size in gateways}
    for _ in range(rounds + 1):
        for size, gateway in gateways.items():
            before = gateway.cpu_seconds()
            measured = load.full(gateway.port, "spread", connections=CONNECTIONS, seconds=seconds, numbers=called[size])
            rates[size].append(measured.per_second)
            cpu[size].append((gateway.cpu_seconds() - before) / measured.requests * 1e6)
    print("| | requests/s | CPU us per call |\n| --- | ---: | ---: |")
    for size in gateways:
        print(f"| {describe(size)} | {median(rates[size][1:]):,.0f} | {median(cpu[size][1:]):.1f} |")
    ratios = [median(values[LARGE][1:]) / median(values[SMALL][1:]) - 1 for values in (rates, cpu)]
    print(f"| difference | {ratios[0]:+.1%} | {ratios[1]:+.1%} |")
    sys.stdout.flush()


def describe(size: Size) -> str:
    return f"{size[0]:,} operations, {size[1]:,} subscriptions"


def sized(backend_port: int, operations: int, subscriptions: int) -> Snapshot:
    """The example API, and so many operations and subscriptions more: see `spread` in call.lua."""
    example = peers.configuration(backend_port)
    (first,), (product,) = example.apis, example.products
    apis = tuple(_api(first, start, operations) for start in range(0, operations, OPERATIONS_PER_API))
    return replace(
        example,
        apis=(first, *apis),
        products=(replace(product, apis=tuple(api.id for api in (first, *apis))),),
        subscriptions=(
            *example.subscriptions,
            *(peers.subscription(f"key-{number:032}", number=number) for number in range(1, subscriptions + 1)),
        ),
    )


def _api(model: API, start: int, operations: int) -> API:
    return replace(
        model,
        id=1000 + start,
        path=f"api-{start // OPERATIONS_PER_API}",
        operations=tuple(
            Operation(1000 + number, "GET", f"/resource-{number % OPERATIONS_PER_API}/{{id}}")
            for number in range(start, min(start + OPERATIONS_PER_API, operations))
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
