"""Do two workers carry twice the load of one? `python -m bench.workers [--rounds N]`.

Both count in Redis, which runs for the measurement only. On two cores the load, the backend and
Redis take their share too, so beside requests/s this prints the workers' own CPU time per call:
where it stays the same, each further core carries as much as the first.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import load, peers
from bench.peers import Peer

CONNECTIONS = 64
SECONDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        directory.chmod(0o755)
        redis_url = stack.enter_context(redis())
        backend = stack.enter_context(peers.backend(directory / "backend"))
        served = peers.configuration(backend.port)
        gateways = {
            workers: stack.enter_context(
                peers.gateway_with(
                    served,
                    directory / f"gateway-{workers}",
                    core="0,1",
                    GATEWAY_WORKERS=str(workers),
                    REDIS_URL=f"{redis_url}/{workers}",
                )
            )
            for workers in (1, 2)
        }
        measured: dict[int, list[tuple[float, float]]] = {workers: [] for workers in gateways}
        for _ in range(rounds):
            for workers, gateway in gateways.items():
                measured[workers].append(measure(gateway))
    print("| workers | requests/s | CPU us per call | of one worker |\n| ---: | ---: | ---: | ---: |")
    for workers, rows in measured.items():
        rate, cpu = (median(column) for column in zip(*rows, strict=True))
        print(f"| {workers} | {rate:,.0f} | {cpu:.1f} | {median(one for _, one in measured[1]) / cpu:.2f} |")
    return 0


def measure(gateway: Peer) -> tuple[float, float]:
    """Requests/s, and microseconds of all workers for each."""
    workers = [Peer("worker", 0, pid) for pid in siblings(gateway.pid)]
    before = sum(worker.cpu_seconds() for worker in workers)
    found = load.full(gateway.port, "rrs", connections=CONNECTIONS, seconds=SECONDS, prefix=gateway.prefix)
    used = sum(worker.cpu_seconds() for worker in workers) - before
    return found.per_second, used / found.requests * 1e6


def siblings(pid: int) -> list[int]:
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@contextlib.contextmanager
def redis() -> Iterator[str]:
    port = peers.free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
    )
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
