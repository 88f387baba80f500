"""Does the gateway hold out? `python -m bench.soak [--minutes N] [--setting NAME]`.

For each setting (one worker; two workers that count in Redis) a hundred callers of all kinds keep a
real gateway busy, while each second subscriptions or the configuration change, and each 45 seconds
the backend is killed and comes back. In the first half the workers are replaced each minute; those
that serve through the second half show what they keep. Each 10 seconds memory, descriptors and
connections are noted, and the journal is ingested.

Fails where one of them grows over the last part, where an answer came that should not have come,
where records are missing, where a limit let more through, or where the log tells of an error that
nobody provoked. Needs redis-server, and Linux.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from bench.soak_callers import Soak, run
from gateway.configuration import key_digest, snapshot
from gateway.configuration.snapshot import API, Gone, Operation, Product, RateLimit, Snapshot, Subscription
from gateway.journal import checkpoint
from gateway.journal.parts import parts, read_records
from tests.gateway.certificates import write_pair

ROOT = Path(__file__).resolve().parents[1]
SECRET = "only-for-the-soak-test-" + "x" * 40
SETTINGS = {"one worker": 1, "two workers with Redis": 2}
SAMPLE_SECONDS = 10.0
RESTART_SECONDS = 45.0
REPLACE_SECONDS = 60.0
LIMIT, LIMIT_SECONDS = 20, 5
# New keys work in a tenth of a second; on a machine that is starved, later.
KEY_LAG = 5
METHODS = ("GET", "POST")
WORKERS_MEMORY = "workers' memory"
# Of the run: workers that were replaced last have settled by then.
MEASURED = 0.4
# What a series may grow meanwhile: noise of the allocator, and of whoever happens to be there.
MAY_GROW_BYTES = 4 * 2**20
MAY_GROW_COUNT = 12
# The machine's fault, or caused by the kills.
HARMLESS = re.compile(r"event loop (?:is|was) stuck|backend unreachable")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--setting", choices=SETTINGS, action="append")
    arguments = parser.parse_args()
    if arguments.minutes < 1:
        parser.error("give it a minute at least")
    failed = False
    for setting in arguments.setting or SETTINGS:
        print(f"{setting}, {arguments.minutes:g} minutes", flush=True)
        failed |= not soak_with(SETTINGS[setting], arguments.minutes * 60)
    return int(failed)


def soak_with(workers: int, seconds: float) -> bool:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-soak-")))
        bench = stack.enter_context(started(directory, workers))
        samples = asyncio.run(bench.soak_for(seconds))
        bench.gateway.send_signal(signal.SIGTERM)
        code = bench.gateway.wait(60)
        bench.ingest(directory / "journal", is_over=True)
        is_good = report(bench, samples, code)
        if not is_good:
            kept = Path(tempfile.gettempdir()) / f"gateway-soak-{os.getpid()}.log"
            shutil.copyfile(directory / "log", kept)
            print(f"  the gateway's log is {kept}")
        return is_good


@dataclass
class Bench:
    """A gateway, its backend, and what changes both."""

    directory: Path
    gateway: subprocess.Popen[bytes]
    management_port: int
    backend_ports: tuple[int, int]
    soak: Soak
    backend: subprocess.Popen[bytes]
    workers: int
    revision: int = 1
    size: int = 0
    records: int = 0
    replaced: int = 0
    restarts: int = 0
    seconds: float = 0.0
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.directory / "gateway" / "snapshot.msgpack"

    async def soak_for(self, seconds: float) -> list[dict[str, float]]:
        samples: list[dict[str, float]] = []
        self.seconds = seconds
        self.soak.ends_at = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for task in (
                run(self.soak, trusting()),
                self._sample(samples),
                self._change(),
                self._restart_backend(),
                self._replace_workers(seconds / 2),
            ):
                group.create_task(task)
        return samples

    async def _sample(self, samples: list[dict[str, float]]) -> None:
        while not self.soak.is_over:
            samples.append(await asyncio.to_thread(self.sample))
            await asyncio.sleep(SAMPLE_SECONDS)

    def sample(self) -> dict[str, float]:
        """Values by name, with the journal ingested as the worker of the portal would."""
        self.ingest(self.directory / "journal")
        values: dict[str, float] = defaultdict(float)
        with urlopen(f"http://127.0.0.1:{self.management_port}/metrics", timeout=20) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for one in family.samples:
                    values[one.name.removeprefix("apim_gateway_")] += one.value
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        names = {
            WORKERS_MEMORY: values["process_resident_memory_bytes"],
            "workers' descriptors": values["process_open_fds"],
            "callers' connections": values["caller_connections"],
            "backends' connections": values["backend_connections"],
            "limit counters": values["limit_counters"],
            "master's memory": int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024,
            "master's descriptors": len(os.listdir(f"/proc/{self.gateway.pid}/fd")),
            "journal bytes": values["journal_bytes"],
            "journal parts": values["journal_parts"],
        }
        return {"at": time.monotonic(), **names}

    def ingest(self, journals: Path, *, is_over: bool = False) -> None:
        finished = [part.file for part in parts(journals)] if is_over else checkpoint.deletable(journals)
        for part in finished:
            self.records += sum(1 for _ in read_records(part))
            part.unlink()

    async def _change(self) -> None:
        """Once a second; see `change`."""
        while not self.soak.is_over:
            await asyncio.sleep(1)
            await asyncio.to_thread(self.change)

    def change(self) -> None:
        """A new key, for callers to use some changes later; the oldest one ends.

        Each third time an API changes as well, each tenth time comes a whole new file.
        """
        self.revision += 1
        self.soak.key = f"key-{max(self.revision - KEY_LAG, 1)}"
        served = replace(configuration(self.backend_ports), revision=self.revision)
        first = max(self.revision - 2 * KEY_LAG, 1)
        keys = tuple(subscription(f"key-{number}", number) for number in range(first, self.revision + 1))
        fresh = replace(served, subscriptions=served.subscriptions + keys)
        if self.revision % 10 == 0:
            self.size = snapshot.write(fresh, self.file)
        else:
            api = replace(served.apis[0], backend_seconds=60.0 + self.revision % 7)
            changed = replace(
                served, apis=(api,) if self.revision % 3 == 0 else (), products=(), subscriptions=keys[-1:]
            )
            gone = Gone(subscriptions=(number_id(self.revision - 2 * KEY_LAG - 1),))
            self.size = snapshot.append(changed, gone, self.file, self.size)

    async def _restart_backend(self) -> None:
        while not self.soak.is_over:
            await asyncio.sleep(RESTART_SECONDS)
            began, self.soak.is_troubled = time.monotonic(), True
            self.backend.kill()
            self.backend.wait()
            await asyncio.sleep(0.5)
            self.backend = await asyncio.to_thread(start_backend, self.backend_ports)
            self.soak.is_troubled = False
            self.soak.troubles.append((began, time.monotonic()))
            self.restarts += 1

    async def _replace_workers(self, seconds: float) -> None:
        while time.monotonic() + REPLACE_SECONDS < self.soak.ends_at - seconds + 5:
            await asyncio.sleep(REPLACE_SECONDS)
            self.gateway.send_signal(signal.SIGHUP)
            self.replaced += 1


# -- What runs -----------------------------------------------------------------------------------


@contextlib.contextmanager
def started(directory: Path, workers: int) -> Iterator[Bench]:
    ports = [free_port() for _ in range(6)]
    port, tls_port, management_port, redis_port, *backend_ports = ports
    backends = (backend_ports[0], backend_ports[1])
    environment = {
        **os.environ,
        "SECRET_KEY": SECRET,
        "KEY_ENCRYPTION_KEY": SECRET,
        "DATA_DIR": str(directory),
        "GATEWAY_PORT": str(port),
        "GATEWAY_TLS_PORT": str(tls_port),
        "GATEWAY_TLS_CERTIFICATES": write_pair(directory / "tls", "localhost"),
        "GATEWAY_MANAGEMENT_PORT": str(management_port),
        "GATEWAY_WORKERS": str(workers),
        "JOURNAL_PART_SECONDS": "15",
        "ACCESS_LOG": str(directory / "access.log"),
    }
    with contextlib.ExitStack() as stack:
        if workers > 1:
            environment["REDIS_URL"] = f"redis://127.0.0.1:{redis_port}/0"
            environment["GATEWAY_COUNTERS"] = "redis"
            stack.enter_context(redis_server(redis_port))
        served = configuration(backends)
        served = replace(served, subscriptions=(*served.subscriptions, subscription("key-1", 1)))
        size = snapshot.write(served, directory / "gateway" / "snapshot.msgpack")
        backend = start_backend(backends)
        with (directory / "log").open("wb") as log:
            gateway = subprocess.Popen(
                [sys.executable, "-m", "gateway"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        stack.callback(end, gateway)
        wait_for_port(port)
        wait_for_port(tls_port)
        soak = Soak(port, tls_port, "key-1", 0.0)
        bench = Bench(directory, gateway, management_port, backends, soak, backend, workers, size=size)
        stack.callback(lambda: end(bench.backend))
        yield bench


def configuration(backend_ports: tuple[int, int]) -> Snapshot:
    def api(number: int, path: str, port: int) -> API:
        operations = tuple(Operation(10 * number + index, method, "/*") for index, method in enumerate(METHODS))
        service = f"http://127.0.0.1:{port}"
        names = ("Ocp-Apim-Subscription-Key", "subscription-key")
        return API(number, path, service, ("http", "https"), True, *names, None, operations)

    apis = (api(1, "echo", backend_ports[0]), api(2, "socket", backend_ports[1]))
    products = (Product(1, (1, 2)), Product(2, (1, 2), RateLimit(LIMIT, LIMIT_SECONDS)))
    limited = replace(subscription("limited", 2**40), product=2)
    return Snapshot(1, "soak", "", apis, products, (limited,))


def subscription(key: str, number: int) -> Subscription:
    digest = key_digest.digest(key_digest.digest_secret(SECRET), key.encode())
    return Subscription(number_id(number), 7, 1, None, True, None, (digest,))


def number_id(number: int) -> bytes:
    return max(number, 0).to_bytes(16, "big")


@contextlib.contextmanager
def redis_server(port: int) -> Iterator[None]:
    if shutil.which("redis-server") is None:
        raise SystemExit("soak: there is no redis-server")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield
    finally:
        end(process)


def start_backend(ports: tuple[int, int]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-m", "bench.soak_backend", *map(str, ports)], cwd=ROOT)
    for port in ports:
        wait_for_port(port)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"soak: nothing listens on port {port}")
        time.sleep(0.05)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# -- What came of it -----------------------------------------------------------------------------


def report(bench: Bench, samples: list[dict[str, float]], exit_code: int) -> bool:
    soak = bench.soak
    print(f"  workers replaced {bench.replaced} times, backend restarted {bench.restarts} times")
    for kind, count in sorted(soak.answers.items()):
        print(f"  {kind:32} {count:>9,}")
    memory = [f"{sample[WORKERS_MEMORY] / 2**20:.0f}" for sample in samples[:: int(60 / SAMPLE_SECONDS)]]
    print(f"  {WORKERS_MEMORY} by the minute, in MB: {' '.join(memory)}")
    measured = [sample for sample in samples if sample["at"] > soak.ends_at - bench.seconds * MEASURED]
    mistakes = [*soak.mistakes, *growth(measured, bench.workers)]
    passed = soak.answers["limited, 200"]
    most = LIMIT * (bench.seconds / LIMIT_SECONDS + 1)
    if passed > most:
        mistakes.append(f"the limit let {passed} calls through, and no more than {most:.0f} may pass")
    answered = sum(count for kind, count in soak.answers.items() if kind in RECORDED)
    print(f"  records in the journal: {bench.records:,}; answers that have one: {answered:,}")
    if bench.records < answered:
        mistakes.append(f"{answered - bench.records} records are missing")
    mistakes += errors_in((bench.directory / "log").read_text())
    if exit_code != 0:
        mistakes.append(f"the gateway ended with {exit_code}")
    for mistake, count in Counter(mistakes).most_common(50):
        print(f"  FAILED {count:>5} times: {mistake}")
    return not mistakes


RECORDED = ("posts", "gets", "downloads", "uploads", "slow readers", "slow writers", "events", "patient calls")


def growth(samples: list[dict[str, float]], workers: int) -> Iterator[str]:
    """Prints each series, and tells which of them grow."""
    print(f"  {'over the last part':24} {'median':>12} {'least':>12} {'most':>12} {'growth':>12}")
    for name in [name for name in samples[0] if name != "at"]:
        values = [sample[name] for sample in samples]
        grown = slope([(sample["at"], sample[name]) for sample in samples]) * (samples[-1]["at"] - samples[0]["at"])
        is_bytes = "memory" in name or "bytes" in name
        shown = [f"{value / 2**20:,.2f} MB" if is_bytes else f"{value:,.0f}" for value in (median(values), min(values))]
        shown += [f"{value / 2**20:,.2f} MB" if is_bytes else f"{value:,.1f}" for value in (max(values), grown)]
        print(f"  {name:24} {shown[0]:>12} {shown[1]:>12} {shown[2]:>12} {shown[3]:>12}")
        if grown > (MAY_GROW_BYTES if is_bytes else MAY_GROW_COUNT) * workers:
            yield f"{name} grew by {shown[3]}"


def slope(points: list[tuple[float, float]]) -> float:
    """Of the line through them that a few outliers do not bend (Theil and Sen: the median of all slopes)."""
    return median((later - value) / (end - at) for (at, value), (end, later) in combinations(points, 2))


def errors_in(log: str) -> Iterator[str]:
    for line in log.splitlines():
        if ("Traceback" in line or re.search(r"\b(?:ERROR|CRITICAL)\b", line)) and not HARMLESS.search(line):
            yield f"the log says: {line[:300]}"


if __name__ == "__main__":
    sys.exit(main())
