"""How fast is the gateway? Against its peers, in one run: `make bench`, or `python -m bench.gateway --help`.

Every server has one worker on core 0; the load and the backend share core 1. Rounds take turns, so
that whatever else the machine does falls on all alike. Requests/s are what wrk saw, medians of the
rounds. CPU is the server's own time per request, which the load of others hardly changes.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench import load, peers
from bench.load import Load
from bench.peers import Peer

# Kind of call, and connections.
FULL_LOADS = (
    *(("rrs", connections) for connections in (1, 32, 256)),
    *(("varied", connections) for connections in (32,)),
    *(("get", connections) for connections in (1, 32, 256)),
    *(("download", connections) for connections in (1, 32, 256)),
    *(("upload", connections) for connections in (1, 32)),
)
STEADY_CONNECTIONS = (1, 32, 256)
NGINX, LUA, ENVOY, AIOHTTP, GATEWAY = (
    "nginx, no check",
    "nginx + Lua",
    "Envoy, no check",
    "uvicorn + aiohttp, key",
    "gateway",
)


def main() -> int:
    options = arguments()
    if missing := peers.missing_tools():
        print(f"bench: install {', '.join(missing)} first (on Debian, with nginx, libnginx-mod-http-lua).")
        return 1
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        directory.chmod(0o755)  # nginx's workers are another user where it is started by root.
        backend = stack.enter_context(peers.backend(directory / "backend"))
        chosen = [start for start in peers.PEERS if not options.peers or start.__name__ in options.peers]
        servers = [stack.enter_context(start(directory / start.__name__, backend.port)) for start in chosen]
        for kind, connections in FULL_LOADS:
            if not options.kinds or kind in options.kinds:
                compare(servers, kind, connections, options.rounds, options.seconds)
        if "steady" in options.kinds or not options.kinds:
            for connections in STEADY_CONNECTIONS:
                compare_latency([backend, *servers], connections, options.rounds, options.seconds)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each round")
    kinds = [*dict.fromkeys(kind for kind, _ in FULL_LOADS), "steady"]
    parser.add_argument("--kinds", nargs="*", default=[], choices=kinds)
    parser.add_argument("--peers", nargs="*", default=[], choices=[start.__name__ for start in peers.PEERS])
    return parser.parse_args()


def compare(servers: Sequence[Peer], kind: str, connections: int, rounds: int, seconds: int) -> None:
    """Print a table of requests/s and CPU time."""
    loads: dict[str, list[Load]] = {server.name: [] for server in servers}
    cpu: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            before = server.cpu_seconds()
            with naming(server, kind):
                measured = load.full(server.port, kind, connections=connections, seconds=seconds, prefix=server.prefix)
            loads[server.name].append(measured)
            cpu[server.name].append((server.cpu_seconds() - before) / max(measured.requests, 1) * 1e6)
    rates = {name: median(one.per_second for one in measured) for name, measured in loads.items()}
    print(f"\n{kind}, {connections} connections\n")
    print("| | requests/s | spread | of nginx | of Lua | of Envoy | of aiohttp | CPU us | p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, measured in loads.items():
        spread = f"{min(one.per_second for one in measured):,.0f}-{max(one.per_second for one in measured):,.0f}"
        of = [f"{rates[name] / rates[peer]:.2f}" if peer in rates else "" for peer in (NGINX, LUA, ENVOY, AIOHTTP)]
        p99 = median(one.p99 for one in measured)
        print(f"| {name} | {rates[name]:,.0f} | {spread} | {' | '.join(of)} | {median(cpu[name]):.1f} | {p99:.2f} |")
    sys.stdout.flush()


def compare_latency(servers: Sequence[Peer], connections: int, rounds: int, seconds: int) -> None:
    """Print what each server adds to the backend's own latency at half of the load that the gateway can take."""
    gateway = servers[-1]
    limit = load.full(gateway.port, "rrs", connections=connections, seconds=seconds, prefix=gateway.prefix)
    rate = limit.per_second / 2
    loads: dict[str, list[Load]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            with naming(server, "steady"):
                loads[server.name].append(
                    load.steady(
                        server.port,
                        connections=connections,
                        seconds=seconds,
                        rate=rate,
                        key=peers.KEY,
                        prefix=server.prefix,
                    )
                )
    p99 = {name: median(one.p99 for one in measured) for name, measured in loads.items()}
    print(f"\nlatency by hey, {connections} connections, {rate:,.0f} calls/s asked for\n")
    print("| | calls/s | p50 ms | p99 ms | p99 added ms |\n| --- | ---: | ---: | ---: | ---: |")
    for name, measured in loads.items():
        rated, p50 = median(one.per_second for one in measured), median(one.p50 for one in measured)
        print(f"| {name} | {rated:,.0f} | {p50:.2f} | {p99[name]:.2f} | {p99[name] - p99['direct']:+.2f} |")
    sys.stdout.flush()


@contextlib.contextmanager
def naming(server: Peer, kind: str) -> Iterator[None]:
    try:
        yield
    except load.LoadError as error:
        raise SystemExit(f"bench: {server.name} answered {kind} with errors:\n{error}") from error


if __name__ == "__main__":
    sys.exit(main())
