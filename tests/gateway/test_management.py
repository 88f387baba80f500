"""What the management server tells of the gateway."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.gateway.conftest import ROOT, Gateway, echo_snapshot, free_port, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection, Client, Response
from tests.gateway.test_wire_replacement import REDIS_URL, REQUEST, reload


@pytest.fixture
def start_managed(start_gateway):
    """A gateway with a management server, whose port is `management`."""

    def start(program: str = "tests.gateway.with_patience", **settings) -> Gateway:
        port = free_port()
        gateway = start_gateway(program=program, GATEWAY_MANAGEMENT_PORT=port, **settings)
        gateway.management = port
        return gateway

    return start


def ask(gateway: Gateway, target: str, method: str = "GET") -> Response:
    client = Client(gateway.management)
    try:
        return client.ask(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), method)
    finally:
        client.close()


def told(gateway: Gateway, target: str) -> tuple[int, list[str]]:
    answer = ask(gateway, target)
    return answer.status, [worker["reason"] for worker in json.loads(answer.body)["workers"]]


def metric(gateway: Gateway, start: str) -> float:
    """The sum of the lines that begin so."""
    lines = ask(gateway, "/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


def test_a_gateway_is_ready_once_it_has_a_configuration(start_managed, backend):
    gateway = start_managed(without_snapshot=True)
    assert told(gateway, "/livez") == (200, [""])
    assert told(gateway, "/readyz") == (503, ["no configuration yet"])
    gateway.configure(echo_snapshot(f"http://127.0.0.1:{backend.port}"))
    wait_for(lambda: told(gateway, "/readyz") == (200, [""]))
    (worker,) = json.loads(ask(gateway, "/readyz").body)["workers"]
    assert (worker["slot"], worker["pid"], worker["revision"]) == (0, gateway.workers[0], 1)


def test_a_gateway_that_stops_is_not_ready(start_managed, backend):
    gateway = start_managed()
    during: list[object] = []

    def answer_late(connection: BackendConnection) -> None:
        backend.take(connection)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_for_log("stopping")
        during.extend([told(gateway, "/readyz"), told(gateway, "/livez")])
        connection.send(OK)

    backend.behave = answer_late
    assert gateway.ask(REQUEST).status == 200
    assert during == [(503, ["draining"]), (200, [""])]
    gateway.hang_up()


def test_a_worker_that_does_not_answer_is_told(start_managed, backend):
    gateway = start_managed(program="gateway", GATEWAY_WORKERS=2, REDIS_URL=REDIS_URL)
    wait_for(lambda: told(gateway, "/readyz") == (200, ["", ""]))
    stuck = gateway.workers[0]
    os.kill(stuck, signal.SIGSTOP)
    for target in ("/livez", "/readyz"):
        # On a busy machine the other one may not answer in time either, but not for long.
        wait_for(lambda: sorted(told(gateway, target)[1]) == ["", "no answer"])  # noqa: B023
        assert ask(gateway, target).status == 503
    wait_for(lambda: metric(gateway, "apim_gateway_workers_silent") == 1)
    os.kill(stuck, signal.SIGCONT)
    wait_for(lambda: told(gateway, "/livez") == (200, ["", ""]))


def test_a_worker_that_dies_is_missed_until_the_next_one_serves(start_managed, backend):
    gateway = start_managed()
    os.kill(gateway.workers[0], signal.SIGKILL)
    wait_for(lambda: metric(gateway, "apim_gateway_worker_restarts_total") == 1)
    wait_for(lambda: told(gateway, "/readyz") == (200, [""]))


def test_a_gateway_stays_ready_while_its_workers_are_replaced(start_managed, backend):
    gateway = start_managed()
    before = gateway.log.read_text().count("workers replaced")
    gateway.process.send_signal(signal.SIGHUP)
    seen = []
    while gateway.log.read_text().count("workers replaced") == before:
        seen.append(told(gateway, "/readyz"))
    assert set(map(str, seen)) == {str((200, [""]))}


def test_counts_outlive_the_worker_that_counted(start_managed, backend):
    gateway = start_managed()
    for calls in range(1, 4):
        assert gateway.ask(REQUEST).status == 200
        assert metric(gateway, "apim_gateway_calls_total") == calls
        reload(gateway)
        assert metric(gateway, "apim_gateway_calls_total") == calls
        assert metric(gateway, "apim_gateway_snapshot_revision") == 1
    gateway.hang_up()


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/readyz?verbose", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/livez", 405),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../livez", 404),
    ],
)
def test_it_answers_nothing_else(managed, method, target, status):
    answer = ask(managed, target, method)
    assert (answer.status, answer.header("Connection")) == (status, b"close")


@pytest.fixture(scope="module")
def managed(start_gateway) -> Gateway:
    port = free_port()
    gateway = start_gateway(GATEWAY_MANAGEMENT_PORT=port)
    gateway.management = port
    return gateway


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", b"400", id="no request"),
        pytest.param(b"GET /livez HTTP/1.1\r\n\r\n", b"400", id="no host"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000, b"431", id="too large"),
    ],
)
def test_what_it_cannot_read_is_refused(managed, request_, status):
    client = Client(managed.management)
    client.send(request_)
    assert client.read_to_end()[9:12] == status
    client.close()


def test_connections_without_a_request_do_not_keep_others_out(managed):
    silent = [Client(managed.management) for _ in range(200)]
    assert silent[-1].is_closed()
    for client in silent:
        client.close()
    wait_for(lambda: ask(managed, "/livez").status == 200)


def test_a_port_in_use_is_said_clearly(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {
            "DATA_DIR": str(tmp_path),
            "GATEWAY_PORT": str(free_port()),
            "GATEWAY_MANAGEMENT_PORT": str(port),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "gateway"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    assert ended.returncode == 1
    names = "GATEWAY_MANAGEMENT_HOST, GATEWAY_MANAGEMENT_PORT"
    assert ended.stderr.splitlines()[-1] == f"gateway: 127.0.0.1:{port} is in use ({names})."
