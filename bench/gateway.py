"""How fast is the gateway? Against nginx, and nginx with the same checks in Lua, in one run.

`python -m bench.gateway [--rounds N] [--seconds N] [--vary]` needs wrk, nginx and nginx's Lua module. Every
server has one worker on core 0; wrk and the backend (also nginx) share core 1. Rounds take turns,
so that whatever else the machine does falls on all alike. Requests/s are what wrk saw. CPU is the
server's own time per request, which the load of others hardly changes.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from gateway import key_digest, snapshot
from gateway.snapshot import API, Operation, Product, Quota, RateLimit, Snapshot, Subscription

HERE = Path(__file__).parent
KEY = b"0123456789abcdef0123456789abcdef"
KEY_ENCRYPTION_KEY = "only-for-the-benchmark-" + "k" * 32
CONNECTIONS = 32
ANSWER = (
    '{"Results":{"output1":{"type":"DataTable","value":{"ColumnNames":["1","2","3","4","5","6","7","8"],'
    '"Values":[["1","1","2","2","0","2","0","1"]]}}}}'
)
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    name: str
    requests_per_second: list[float] = field(default_factory=list)
    cpu_microseconds: list[float] = field(default_factory=list)


@dataclass
class Peer:
    result: Result
    port: int
    pid: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--vary", action="store_true", help="targets and lengths differ from call to call")
    options = parser.parse_args()
    missing = [tool for tool in ("wrk", "nginx", "taskset") if shutil.which(tool) is None]
    if missing:
        print(f"bench: install {', '.join(missing)} first (Debian: wrk nginx libnginx-mod-http-lua).", file=sys.stderr)
        return 1
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        backend_port = free_port()
        backend = nginx(directory / "backend", filled("backend.conf", port=backend_port, answer=ANSWER), core=1)
        stack.enter_context(backend)
        peers = [
            stack.enter_context(peer)
            for peer in (
                plain_nginx(directory / "nginx", backend_port),
                nginx_with_lua(directory / "lua", backend_port),
                gateway(directory / "gateway", backend_port),
            )
        ]
        for _ in range(options.rounds):
            for peer in peers:
                measure(peer, options.seconds, vary=options.vary)
    report([peer.result for peer in peers])
    return 0


def measure(peer: Peer, seconds: int, *, vary: bool) -> None:
    address = f"http://127.0.0.1:{peer.port}" + (" -- vary" if vary else "")
    before = cpu_seconds(peer.pid)
    output = subprocess.run(
        f"taskset -c 1 wrk -t 1 -c {CONNECTIONS} -d {seconds}s -s call.lua {address}".split(),
        cwd=HERE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{peer.result.name} answered with errors:\n{output}")
    requests = int(re.search(r"(\d+) requests in", output)[1])
    peer.result.requests_per_second.append(float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]))
    peer.result.cpu_microseconds.append((cpu_seconds(peer.pid) - before) / requests * 1e6)


def report(results: list[Result]) -> None:
    print(
        f"{'':28}{'requests/s':>12}{'spread':>17}{'of nginx':>10}{'of Lua':>8}"
        f"{'CPU us':>10}{'of nginx':>10}{'of Lua':>8}"
    )
    plain, lua = results[0], results[1]
    for result in results:
        rate, cpu = median(result.requests_per_second), median(result.cpu_microseconds)
        spread = f"{min(result.requests_per_second):,.0f}-{max(result.requests_per_second):,.0f}"
        print(
            f"{result.name:28}{rate:12,.0f}{spread:>17}{rate / median(plain.requests_per_second):10.2f}"
            f"{rate / median(lua.requests_per_second):8.2f}{cpu:10.1f}"
            f"{median(plain.cpu_microseconds) / cpu:10.2f}{median(lua.cpu_microseconds) / cpu:8.2f}"
        )


# -- Servers -------------------------------------------------------------------------------------


@contextlib.contextmanager
def plain_nginx(directory: Path, backend_port: int) -> Iterator[Peer]:
    port = free_port()
    http = filled("proxy.conf", port=port, backend_port=backend_port, checks="", access="")
    with nginx(directory, http, core=0) as pid:
        yield Peer(Result("nginx, no check"), port, pid)


@contextlib.contextmanager
def nginx_with_lua(directory: Path, backend_port: int) -> Iterator[Peer]:
    port = free_port()
    checks = f"""
    lua_package_path "{HERE}/?.lua;/usr/share/lua/5.1/?.lua;;";
    lua_shared_dict keys 10m;
    lua_shared_dict counts 10m;
    init_by_lua_block {{ checks = require "checks"; checks.open("{KEY.decode()}") }}
    access_log {directory}/access.log combined buffer=64k;
    """
    access = "access_by_lua_block { checks.check() }"
    http = filled("proxy.conf", port=port, backend_port=backend_port, checks=checks, access=access)
    modules = "".join(
        f"load_module /usr/lib/nginx/modules/{name}.so;\n" for name in ("ndk_http_module", "ngx_http_lua_module")
    )
    with nginx(directory, http, core=0, modules=modules) as pid:
        yield Peer(Result("nginx + Lua"), port, pid)


@contextlib.contextmanager
def gateway(directory: Path, backend_port: int) -> Iterator[Peer]:
    port = free_port()
    snapshot.write(configuration(backend_port), directory / "gateway" / "snapshot.msgpack")
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "s" * 40,
        "KEY_ENCRYPTION_KEY": KEY_ENCRYPTION_KEY,
        "DATA_DIR": str(directory),
        "GATEWAY_PORT": str(port),
    }
    command = ["taskset", "-c", "0", sys.executable, "-m", "gateway"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=HERE.parent, env=environment, stdout=log, stderr=log)
    try:
        wait_for(port)
        yield Peer(Result("gateway"), port, process.pid)
    finally:
        process.terminate()
        process.wait()


def configuration(backend_port: int) -> Snapshot:
    """The example API, with a rate limit and a quota too high to be reached."""
    job = "/workspaces/{workspace}/services/{service}/jobs"
    templates = (
        ("POST", "/workspaces/{workspace}/services/{service}/execute?api-version={apiversion}&details={details}"),
        ("POST", job + "?api-version={apiversion}"),
        ("POST", job + "/{jobid}/start?api-version={apiversion}"),
        ("GET", job + "/{jobid}?api-version={apiversion}"),
        ("DELETE", job + "/{jobid}?api-version={apiversion}"),
    )
    operations = tuple(Operation(number, method, url) for number, (method, url) in enumerate(templates, 1))
    api = API(
        1,
        "azureml-demo",
        f"http://127.0.0.1:{backend_port}",
        ("http",),
        True,
        "Ocp-Apim-Subscription-Key",
        "subscription-key",
        None,
        operations,
    )
    digest = key_digest.digest(key_digest.digest_secret(KEY_ENCRYPTION_KEY), KEY)
    product = Product(1, (1,), RateLimit(1_000_000_000, 60), Quota(1_000_000_000_000, 604_800))
    subscription = Subscription(b"s" * 16, 1, 1, None, True, None, (digest,))
    return Snapshot(1, "bench", "", (api,), (product,), (subscription,))


@contextlib.contextmanager
def nginx(directory: Path, http: str, *, core: int, modules: str = "") -> Iterator[int]:
    """Yields the process id of its only worker."""
    directory.mkdir()
    file = directory / "nginx.conf"
    file.write_text(filled("nginx.conf", directory=directory, http=http, modules=modules))
    command = [
        "taskset",
        "-c",
        str(core),
        "nginx",
        "-p",
        str(directory),
        "-c",
        str(file),
        "-e",
        str(directory / "error.log"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(int(re.search(r"listen 127\.0\.0\.1:(\d+)", http)[1]))
        yield int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    finally:
        process.terminate()
        process.wait()


def filled(template: str, **values: object) -> str:
    return (HERE / template).read_text().format(**values)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
