"""The servers of the comparison, each with one worker on core 0, and the backend behind all of them on core 1.

Each is a context manager that yields a Peer once the server answers, and ends it.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.configuration import key_digest, snapshot
from gateway.configuration.snapshot import API, Operation, Product, Quota, RateLimit, Snapshot, Subscription
from gateway.process.compiled import COMPILED, SOURCES, fingerprint

HERE = Path(__file__).parent
CONFIGURATIONS = HERE / "configurations"
# What `make bench` installs the peers into.
BUILD = HERE.parent / "build" / "bench"
KEY = "0123456789abcdef:0123456789abcdef"
KEY_ENCRYPTION_KEY = "only-for-the-benchmark-" + "k" * 32
PREFIX = "/azureml-demo"
ANSWER = (
    '{"Results":{"output1":{"type":"DataTable","value":{"ColumnNames":["1","2","3","4","5","6","7","8"],'
    '"Values":[["1","1","2","2","0","2","0","1"]]}}}}'
)
LUA_MODULES = "".join(
    f"load_module /usr/lib/nginx/modules/{name}.so;\n" for name in ("ndk_http_module", "ngx_http_lua_module")
)
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server; `prefix` is where calls begin in the path."""

    name: str
    port: int
    pid: int
    prefix: str = PREFIX

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1]) * 1024


Start = Callable[[Path, int], "contextlib.AbstractContextManager[Peer]"]
"""Takes an empty folder for the server's files, and the backend's port."""


def missing_tools() -> list[str]:
    return [tool for tool in ("wrk", "hey", "nginx", "haproxy", "node", "taskset") if shutil.which(tool) is None]


@contextlib.contextmanager
def backend(directory: Path) -> Iterator[Peer]:
    """nginx that answers RRS calls, serves files of 1 KB and 1 MB, and reads what is sent to it."""
    (directory / "data").mkdir(parents=True)
    (directory / "data" / "1k").write_bytes(b"x" * 2**10)
    (directory / "data" / "1m").write_bytes(b"x" * 2**20)
    port = free_port()
    http = _filled("backend.conf", port=port, answer=ANSWER, directory=directory)
    with _nginx(directory, http, port, core=1, modules=LUA_MODULES) as pid:
        yield Peer("direct", port, pid, prefix="")


@contextlib.contextmanager
def plain_nginx(directory: Path, backend_port: int) -> Iterator[Peer]:
    port = free_port()
    http = _filled("proxy.conf", port=port, backend_port=backend_port, checks="", access="")
    with _nginx(directory, http, port, core=0) as pid:
        yield Peer("nginx, no check", port, pid)


@contextlib.contextmanager
def nginx_with_lua(directory: Path, backend_port: int) -> Iterator[Peer]:
    port = free_port()
    checks = f"""
    lua_package_path "{CONFIGURATIONS}/?.lua;/usr/share/lua/5.1/?.lua;;";
    lua_shared_dict keys 10m;
    lua_shared_dict counts 10m;
    init_by_lua_block {{ checks = require "checks"; checks.open("{KEY}") }}
    access_log {directory}/access.log combined buffer=64k;
    """
    access = "access_by_lua_block { checks.check() }"
    http = _filled("proxy.conf", port=port, backend_port=backend_port, checks=checks, access=access)
    with _nginx(directory, http, port, core=0, modules=LUA_MODULES) as pid:
        yield Peer("nginx + Lua", port, pid)


@contextlib.contextmanager
def haproxy(directory: Path, backend_port: int) -> Iterator[Peer]:
    port, file = free_port(), directory / "haproxy.cfg"
    directory.mkdir()
    file.write_text(_filled("haproxy.cfg", port=port, backend_port=backend_port))
    with _process(["haproxy", "-db", "-q", "-f", str(file)], directory, port) as pid:
        yield Peer("HAProxy, no check", port, pid)


@contextlib.contextmanager
def envoy(directory: Path, backend_port: int) -> Iterator[Peer]:
    port, file = free_port(), directory / "envoy.yaml"
    directory.mkdir()
    file.write_text(_filled("envoy.yaml", port=port, backend_port=backend_port))
    program = str(BUILD / "venv" / "bin" / "envoy")
    options = ["--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]
    with _process([program, "-c", str(file), *options], directory, port) as pid:
        yield Peer("Envoy, no check", port, pid)


@contextlib.contextmanager
def express_gateway(directory: Path, backend_port: int) -> Iterator[Peer]:
    port, admin_port = free_port(), free_port()
    directory.mkdir()
    modules, source = BUILD / "node_modules", CONFIGURATIONS / "express-gateway"
    configuration = _filled(
        "express-gateway/gateway.config.yml", port=port, admin_port=admin_port, backend_port=backend_port
    )
    (directory / "gateway.config.yml").write_text(configuration)
    shutil.copy(source / "system.config.yml", directory)
    shutil.copytree(modules / "express-gateway" / "lib" / "config" / "models", directory / "models")
    environment = {"BENCH_MODULES": str(modules), "BENCH_CONFIG": str(directory), "LOG_LEVEL": "error"}
    with _process(["node", str(source / "server.js")], directory, port, **environment) as pid:
        _wait_for(admin_port)
        _post(admin_port, "/users", {"username": "bench", "firstname": "b", "lastname": "b"})
        key_id, _, secret = KEY.partition(":")
        credential = {"keyId": key_id, "keySecret": secret}
        _post(admin_port, "/credentials", {"credential": credential, "consumerId": "bench", "type": "key-auth"})
        yield Peer("express-gateway, key", port, pid)


@contextlib.contextmanager
def uvicorn_with_aiohttp(directory: Path, backend_port: int) -> Iterator[Peer]:
    port = free_port()
    directory.mkdir()
    program = [str(BUILD / "venv" / "bin" / "python"), "-m", "uvicorn", "bench.aiohttp_proxy:app"]
    options = ["--port", str(port), "--log-level", "error", "--no-access-log", "--backlog", "4096"]
    environment = {"BENCH_BACKEND": f"http://127.0.0.1:{backend_port}", "BENCH_KEY": KEY}
    with _process([*program, *options], directory, port, **environment) as pid:
        yield Peer("uvicorn + aiohttp, key", port, pid)


@contextlib.contextmanager
def gateway(directory: Path, backend_port: int) -> Iterator[Peer]:
    """Ours, with key check, product rate limit and quota, journal, metrics and request id."""
    with gateway_with(configuration(backend_port), directory, GATEWAY_COMPILED="false") as peer:
        yield peer


@contextlib.contextmanager
def compiled_gateway(directory: Path, backend_port: int) -> Iterator[Peer]:
    """The same, of what `make compiled` has made."""
    if not (COMPILED / fingerprint(SOURCES)).is_dir():
        raise SystemExit("bench: `make compiled` first")
    with gateway_with(configuration(backend_port), directory) as peer:
        yield dataclasses.replace(peer, name="gateway, compiled")


@contextlib.contextmanager
def gateway_with(served: Snapshot, directory: Path, *, core: str = "0", **settings: str) -> Iterator[Peer]:
    """Ours with another snapshot, on these cores, under more settings."""
    port = free_port()
    snapshot.write(served, directory / "gateway" / "snapshot.msgpack")
    environment = {
        "SECRET_KEY": "s" * 40,
        "KEY_ENCRYPTION_KEY": KEY_ENCRYPTION_KEY,
        "DATA_DIR": str(directory),
        "GATEWAY_PORT": str(port),
        "GATEWAY_MANAGEMENT_PORT": str(free_port()),
        **settings,
    }
    with _process([sys.executable, "-m", "gateway"], directory, port, core=core, **environment) as pid:
        yield Peer("gateway", port, _first_child(pid))


PEERS: tuple[Start, ...] = (
    plain_nginx,
    nginx_with_lua,
    haproxy,
    envoy,
    express_gateway,
    uvicorn_with_aiohttp,
    gateway,
    compiled_gateway,
)


def configuration(backend_port: int) -> Snapshot:
    """The example API, with a rate limit and a quota too high to be reached."""
    job = "/workspaces/{workspace}/services/{service}/jobs"
    templates = (
        ("POST", "/workspaces/{workspace}/services/{service}/execute?api-version={apiversion}&details={details}"),
        ("POST", job + "?api-version={apiversion}"),
        ("POST", job + "/{jobid}/start?api-version={apiversion}"),
        ("GET", job + "/{jobid}?api-version={apiversion}"),
        ("DELETE", job + "/{jobid}?api-version={apiversion}"),
        ("GET", "/data/{name}"),
        ("POST", "/upload"),
    )
    operations = tuple(Operation(number, method, url) for number, (method, url) in enumerate(templates, 1))
    api = API(
        1,
        PREFIX.strip("/"),
        f"http://127.0.0.1:{backend_port}",
        ("http",),
        True,
        "Ocp-Apim-Subscription-Key",
        "subscription-key",
        None,
        operations,
    )
    product = Product(1, (1,), RateLimit(1_000_000, 20), Quota(1_000_000_000_000, 604_800))
    return Snapshot(1, "bench", "", (api,), (product,), (subscription(KEY),))


def subscription(key: str, *, number: int = 0) -> Subscription:
    digest = key_digest.digest(key_digest.digest_secret(KEY_ENCRYPTION_KEY), key.encode())
    return Subscription(number.to_bytes(16, "big"), 1, 1, None, True, None, (digest,))


# -- Processes -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _nginx(directory: Path, http: str, port: int, *, core: int, modules: str = "") -> Iterator[int]:
    directory.mkdir(exist_ok=True)
    file, log = directory / "nginx.conf", directory / "error.log"
    file.write_text(_filled("nginx.conf", directory=directory, http=http, modules=modules))
    command = ["nginx", "-p", str(directory), "-c", str(file), "-e", str(log)]
    with _process(command, directory, port, core=str(core)) as pid:
        yield _first_child(pid)


@contextlib.contextmanager
def _process(command: list[str], directory: Path, port: int, *, core: str = "0", **environment: str) -> Iterator[int]:
    """Run it until the context ends; yields the process id once the port takes connections."""
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command],
            cwd=HERE.parent,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, process, directory / "log")
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _first_child(pid: int) -> int:
    """The worker of a server that has a process for it, soon after the server takes connections."""
    end = time.monotonic() + 10
    while not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        if time.monotonic() > end:
            raise SystemExit(f"bench: process {pid} has no worker")
        time.sleep(0.05)
    return int(children[0])


def _filled(template: str, **values: object) -> str:
    return (CONFIGURATIONS / template).read_text().format(**values)


def _post(port: int, path: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes] | None = None, log: Path | None = None) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > end or (process is not None and process.poll() is not None):
                raise SystemExit(f"bench: no server on port {port}:\n{log.read_text() if log else ''}") from None
            time.sleep(0.05)
