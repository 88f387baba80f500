"""The gateway behind nginx and Caddy, as deploy/ configures them."""

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.certificates import write_pair
from tests.gateway.conftest import ROOT, Gateway, free_port, wait_for
from tests.gateway.raw import TIMEOUT_SECONDS, Backend, BackendConnection, TLSClient

KEY = "Ocp-Apim-Subscription-Key: K1"


class Front:
    """A front's process; calls are made from 127.0.0.2, so that caller and front differ."""

    def __init__(self, command: list[str], port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory
        self.log = directory / "log"
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
        try:
            wait_for(self._listens)
        except AssertionError:
            self.stop()
            raise AssertionError(self.log.read_text()) from None

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def curl(self, path: str, *options: str) -> subprocess.Popen:
        command = [
            *(
                "curl",
                "--http2",
                "--silent",
                "--show-error",
                "--no-buffer",
                "--path-as-is",
                "--max-time",
                str(TIMEOUT_SECONDS),
            ),
            *("--interface", "127.0.0.2", "--cacert", str(self.directory / "certificate.pem")),
            *("--resolve", f"api.test:{self.port}:127.0.0.1", "--header", KEY),
            *options,
            f"https://api.test:{self.port}{path}",
        ]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def call(self, path: str, *options: str) -> tuple[str, str, str]:
        """Version of HTTP, status and body."""
        done, _ = self.curl(path, "--write-out", "\n%{http_version}\n%{response_code}", *options).communicate()
        *body, version, status = done.decode().split("\n")
        return version, status, "\n".join(body)


def configured(name: str, *changes: tuple[str, str]) -> str:
    """A configuration of deploy/ with its placeholders replaced."""
    text = (ROOT / "deploy" / name).read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def start_nginx(gateway: Gateway, directory: Path) -> Front:
    port = free_port()
    site = configured(
        "nginx.conf",
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("    listen [::]:80;\n", ""),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("/etc/ssl/certs/api.example.org.pem", str(directory / "certificate.pem")),
        ("/etc/ssl/private/api.example.org.key", str(directory / "key.pem")),
        ("/var/log/nginx/gateway.log", str(directory / "access.log")),
        ("api.example.org", "api.test"),
        ("127.0.0.1:8080", f"127.0.0.1:{gateway.port}"),
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(
        f"{user} daemon off; pid {directory}/pid; error_log stderr; events {{}} http {{ {temporary} {site} }}"
    )
    return Front(["nginx", "-e", "stderr", "-c", str(directory / "nginx.conf")], port, directory)


def start_caddy(gateway: Gateway, directory: Path) -> Front:
    port = free_port()
    (directory / "Caddyfile").write_text(
        configured(
            "Caddyfile",
            ("\tservers {", "\tadmin off\n\tauto_https disable_redirects\n\tservers {"),
            ("api.example.org {", f"https://api.test:{port} {{\n\ttls certificate.pem key.pem"),
            ("127.0.0.1:8080", f"127.0.0.1:{gateway.port}"),
        )
    )
    return Front(["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"], port, directory)


FRONTS: dict[str, Callable[[Gateway, Path], Front]] = {"nginx": start_nginx, "caddy": start_caddy}


@pytest.fixture(scope="module")
def module_gateway(start_gateway) -> Gateway:
    return start_gateway(TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="module", params=list(FRONTS))
def front(request, module_gateway, tmp_path_factory):
    for program in (request.param, "curl"):
        if shutil.which(program) is None and not os.environ.get("CI"):
            pytest.skip(f"{program} is not installed")
    directory = tmp_path_factory.mktemp(request.param)
    write_pair(directory, "api.test")
    front = FRONTS[request.param](module_gateway, directory)
    yield front
    front.stop()


@pytest.fixture
def gateway(module_gateway: Gateway, backend: Backend):
    yield module_gateway
    module_gateway.settle()


def test_a_call_over_http_2_has_its_callers_address_and_scheme(front, gateway, backend):
    path = "/echo/address-" + front.directory.name
    assert front.call(path, "--header", "X-Forwarded-For: 6.6.6.6", "--header", "X-Forwarded-Proto: ftp") == (
        *("2", "200", "ok"),
    )
    (request,) = backend.requests
    assert b"\r\nX-Forwarded-For: 127.0.0.2, 127.0.0.1\r\n" in request
    assert b"\r\nX-Forwarded-Proto: https\r\n" in request
    assert b"\r\nX-Forwarded-Host: api.test:%d\r\n" % front.port in request
    assert b"6.6.6.6" not in request
    assert gateway.record(path.encode()).caller_address == "127.0.0.2"


def test_the_challenge_names_https(front, gateway):
    version, status, answer = front.call("/echo/a", "--header", "Ocp-Apim-Subscription-Key: K9", "--include")
    assert (version, status) == ("2", "401")
    assert f'realm="https://api.test:{front.port}/echo"' in answer


def test_the_id_of_the_call_reaches_the_caller(front, gateway, backend):
    path = "/echo/id-" + front.directory.name
    _, _, answer = front.call(path, "--include")
    assert gateway.record(path.encode()).request_id.decode() in answer


def test_a_target_passes_as_it_is(front, backend):
    assert front.call("/echo/a%2Fb//c%20d;e?x=1%202&y=%C3%A4&x=")[1] == "200"
    assert backend.requests[0].startswith(b"GET /base/a%2Fb//c%20d;e?x=1%202&y=%C3%A4&x= HTTP/1.1\r\n")


def test_events_arrive_as_they_are_sent(front, gateway, backend):
    has_arrived = threading.Event()

    def behave(connection: BackendConnection) -> None:
        backend.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"9\r\ndata: 1\n\n\r\n")
        assert has_arrived.wait(TIMEOUT_SECONDS)
        connection.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    backend.behave = behave
    with front.curl("/echo/events") as curl:
        assert curl.stdout.readline() == b"data: 1\n"
        has_arrived.set()
        assert curl.stdout.read() == b"\ndata: 2\n\n"


def test_a_body_reaches_the_backend_as_it_is_sent(front, gateway, backend):
    first_part = threading.Event()

    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.read_until(b"first part")
        first_part.set()
        connection.read_until(b"0\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend.behave = behave
    with front.curl("/echo/upload", "--upload-file", "-") as curl:
        curl.stdin.write(b"first part")
        curl.stdin.flush()
        assert first_part.wait(TIMEOUT_SECONDS)
        curl.stdin.write(b"the rest")
        curl.stdin.close()
        assert curl.stdout.read() == b"ok"


def test_a_large_body_passes_both_ways(front, gateway, backend, tmp_path):
    content = os.urandom(5_000_000)
    (tmp_path / "content").write_bytes(content)

    def behave(connection: BackendConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(connection.body) + connection.body)

    backend.behave = behave
    with front.curl("/echo/large", "--data-binary", f"@{tmp_path / 'content'}") as curl:
        assert curl.stdout.read() == content


def test_a_websocket_passes(front, gateway, backend):
    def behave(connection: BackendConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello"
        )
        connection.send(connection.read(4)[::-1])

    backend.behave = behave
    client = TLSClient(front.port, "api.test")
    key = base64.b64encode(b"the sample nonce")
    client.send(
        b"GET /echo/socket?subscription-key=K1 HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % key
    )
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert client.read(5) == b"hello"
    client.send(b"ping")
    assert client.read(4) == b"gnip"
    client.close()
