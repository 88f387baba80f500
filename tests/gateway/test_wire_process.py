"""Start, configuration, end and sudden death of the gateway process."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.gateway.conftest import ROOT, echo_snapshot, wait_for
from tests.gateway.raw import OK, TIMEOUT_SECONDS, BackendConnection

REQUEST = b"GET /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
HEALTH = b"GET /status-0123456789abcdef HTTP/1.1\r\nHost: a\r\n\r\n"


def test_an_answered_call_is_in_the_journal_even_when_the_process_is_killed(start_gateway, backend):
    gateway = start_gateway()
    client = gateway.connect()
    for _ in range(20):
        answer = client.ask(REQUEST)
    gateway.kill()
    records = gateway.records()
    assert len(records) == 20
    assert records[-1].request_id == answer.header("X-Request-Id")
    assert (records[-1].response_code, records[-1].response_bytes) == (200, len(answer.head) + len(answer.body))


def test_calls_in_flight_are_answered_after_sigterm(start_gateway, backend):
    gateway = start_gateway()

    def answer_late(connection: BackendConnection) -> None:
        backend.take(connection)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_for_log("stopping")
        connection.send(OK)

    idle = gateway.connect()
    assert idle.ask(HEALTH).status == 200
    backend.behave = answer_late
    answer = gateway.connect().ask(REQUEST)
    assert (answer.status, answer.header("Connection")) == (200, b"close")
    assert idle.is_closed()
    assert gateway.process.wait(TIMEOUT_SECONDS) == 0
    assert len(gateway.records()) == 1
    with pytest.raises(ConnectionRefusedError):
        gateway.connect()
    gateway.hang_up()


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_restart_gives_nobody_more_calls(is_killed, start_gateway, backend):
    request = REQUEST.replace(b"K1", b"K2")
    gateway = start_gateway()
    assert gateway.ask(request).status == 200
    for statuses in ([200, 429], [429]):
        gateway.kill() if is_killed else gateway.stop()
        gateway = start_gateway(again=gateway)
        assert [gateway.ask(request).status for _ in statuses] == statuses
    gateway.hang_up()


def test_half_a_head_does_not_hold_up_the_end(start_gateway):
    gateway = start_gateway(DRAIN_SECONDS=600)
    client = gateway.connect()
    assert client.ask(HEALTH).status == 200
    client.send(REQUEST[:-2])
    new = gateway.connect()
    new.send(b"GET ")
    assert gateway.stop() == 0
    assert client.is_closed()
    assert new.is_closed()
    assert gateway.records() == []
    gateway.hang_up()


def test_calls_that_do_not_end_are_cut_when_the_time_is_over(start_gateway, backend):
    gateway = start_gateway(DRAIN_SECONDS=0.2)
    backend.behave = lambda connection: connection.read_to_end()
    client = gateway.connect()
    client.send(REQUEST)
    assert backend.arrived.acquire(timeout=TIMEOUT_SECONDS)
    assert gateway.stop() == 0
    assert client.is_closed()
    (record,) = gateway.records()
    assert (record.error_source, record.error_reason) == ("gateway", "ShuttingDown")
    gateway.hang_up()


def test_without_a_snapshot_the_gateway_waits_for_one(start_gateway, session_backend, backend):
    gateway = start_gateway(without_snapshot=True)
    client = gateway.connect()
    assert client.ask(HEALTH).status == 503
    answer = client.ask(REQUEST)
    assert (answer.status, answer.body[:20]) == (503, b'{ "statusCode": 503,')
    gateway.configure(echo_snapshot(f"http://127.0.0.1:{backend.port}"))
    wait_for(lambda: client.ask(HEALTH).status == 200)
    assert client.ask(REQUEST).status == 200
    gateway.hang_up()


def test_a_bad_snapshot_leaves_the_old_one_serving(start_gateway, backend):
    gateway = start_gateway()
    client = gateway.connect()
    assert client.ask(REQUEST).status == 200
    (gateway.directory / "gateway" / "snapshot.msgpack").write_bytes(b"no snapshot")
    gateway.wait_for_log("snapshot refused")
    assert client.ask(REQUEST).status == 200
    gateway.configure(echo_snapshot(f"http://127.0.0.1:{backend.port}/elsewhere"))
    wait_for(lambda: client.ask(REQUEST).status == 200 and b"/elsewhere/a" in backend.requests[-1])
    gateway.hang_up()


def run(**settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "gateway"],
        cwd=ROOT,
        env={**os.environ, "GATEWAY_MANAGEMENT_PORT": "0", **settings},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def test_a_port_in_use_is_said_clearly(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(DATA_DIR=str(tmp_path), GATEWAY_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"gateway: 127.0.0.1:{port} is in use (GATEWAY_HOST, GATEWAY_PORT)."
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("GATEWAY_PORT", "eighty"),
        ("TRUSTED_PROXIES", "not-an-address"),
        ("HEAD_LIMIT_BYTES", "1"),
        ("KEY_ENCRYPTION_KEY", "short"),
        ("GATEWAY_HOST", "192.0.2.1"),
    ],
)
def test_a_bad_setting_stops_the_start_by_its_name(setting, value, tmp_path):
    ended = run(**{"DATA_DIR": str(tmp_path), setting: value})
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("gateway: ")
    assert setting in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_two_gateways_do_not_share_an_address(start_gateway, tmp_path):
    gateway = start_gateway()
    ended = run(DATA_DIR=str(tmp_path), GATEWAY_PORT=str(gateway.port))
    assert ended.returncode == 1
    assert "is in use" in ended.stderr.splitlines()[-1]


def test_two_gateways_do_not_write_one_journal(start_gateway):
    gateway = start_gateway()
    ended = run(DATA_DIR=str(gateway.directory), GATEWAY_HOST="127.0.0.2", GATEWAY_PORT=str(gateway.port))
    assert ended.returncode == 1
    assert "locked" in ended.stderr.splitlines()[-1]


def test_more_than_one_worker_wants_redis(tmp_path):
    ended = run(DATA_DIR=str(tmp_path), GATEWAY_WORKERS="2", REDIS_URL="")
    assert ended.returncode == 1
    assert ended.stderr.startswith("gateway: GATEWAY_WORKERS: ")
    assert "REDIS_URL" in ended.stderr
