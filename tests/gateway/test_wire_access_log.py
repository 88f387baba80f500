"""The access log of a real gateway: on standard output, in a file, and where nothing takes it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from gateway.journal.record import CallRecord
from gateway.telemetry import access_log
from gateway.telemetry.access_log import LINE_BYTES, AccessLog, line
from tests.gateway.conftest import ROOT, free_port, wait_for

TRACE = b"0af7651916cd43dd8448eb211c80319c"


def request(target: bytes, *lines: bytes, key: bytes = b"K1") -> bytes:
    lines = (b"Host: api.test", b"Ocp-Apim-Subscription-Key: " + key, *lines)
    return b"GET " + target + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def record(url: bytes = b"/echo/a") -> CallRecord:
    return CallRecord(
        1.5, b"id", 1, 2, 3, b"s" * 16, 4, b"GET", url, "::1", 200, 200, 0.0015, 0.001, 10, 20, "quota", "QuotaExceeded"
    )


def lines_in(file, count: int) -> list[dict]:
    """The lines of a file, once there are so many."""

    def found() -> list[str]:
        return file.read_text().splitlines() if file.exists() else []

    wait_for(lambda: len(found()) >= count)
    assert len(found()) == count
    return [json.loads(text) for text in found()]


@pytest.fixture
def logged(start_gateway, backend, tmp_path):
    gateway = start_gateway(ACCESS_LOG=tmp_path / "access.log")
    gateway.access_log = tmp_path / "access.log"
    yield gateway
    gateway.stop()


def test_a_call_is_one_line(logged):
    before = datetime.now(UTC)
    traceparent = b"traceparent: 00-" + TRACE + b"-b7ad6b7169203331-01"
    answer = logged.ask(request(b"/echo/a?b=c&subscription-key=K1", traceparent))
    (found,) = lines_in(logged.access_log, 1)
    call = logged.record(b"/echo/a?b=c")
    assert before <= datetime.fromisoformat(found.pop("time")) <= datetime.now(UTC)
    assert found == {
        "request_id": answer.header("X-Request-Id").decode(),
        "trace_id": TRACE.decode(),
        "caller": "127.0.0.1",
        "method": "GET",
        "url": "/echo/a?b=c",
        "api": 1,
        "operation": 100,
        "product": 1,
        "subscription": "01" * 16,
        "user": 7,
        "status": 200,
        "backend_status": 200,
        "total_ms": round(call.total_seconds * 1000, 3),
        "backend_ms": round(call.backend_seconds * 1000, 3),
        "request_bytes": call.request_bytes,
        "response_bytes": call.response_bytes,
        "error_source": "",
        "error_reason": "",
        "retries": 0,
    }


@pytest.mark.parametrize(
    ("target", "key", "url", "reason"),
    [
        pytest.param(b"/echo/a", b"wrong", "/echo/a", "SubscriptionKeyInvalid", id="a wrong key"),
        pytest.param(b"/none?SubScription-Key=K1&a", b"", "/none?a", "OperationNotFound", id="key in another case"),
        pytest.param(b"/echo/%zz?subscription%2Dkey=K1", b"", "/echo/%zz", "MalformedURL", id="key in disguise"),
        pytest.param(b"/refusing/a", b"K1", "/refusing/a", "BackendConnectionFailure", id="no backend"),
    ],
)
def test_a_call_that_failed_tells_why_and_no_key(target, key, url, reason, logged):
    logged.ask(request(target, key=key))
    (found,) = lines_in(logged.access_log, 1)
    assert (found["url"], found["error_reason"]) == (url, reason)
    assert "K1" not in logged.access_log.read_text()


def test_the_last_lines_are_written_before_the_end(logged):
    client = logged.connect()
    for _ in range(50):
        client.ask(request(b"/echo/a"))
    client.close()
    assert logged.stop() == 0
    assert len(lines_in(logged.access_log, 50)) == 50


def test_a_file_that_was_moved_away_is_opened_anew(logged, tmp_path):
    client = logged.connect()
    client.ask(request(b"/echo/a"))
    lines_in(logged.access_log, 1)
    moved = logged.access_log.rename(tmp_path / "access.log.1")
    fresh = logged.access_log
    wait_for(lambda: client.ask(request(b"/echo/b")) and fresh.exists() and fresh.stat().st_size)
    written = moved.read_text() + logged.access_log.read_text()
    assert {json.loads(text)["url"] for text in written.splitlines()} == {"/echo/a", "/echo/b"}


def test_standard_output_takes_it_too(start_gateway, backend):
    gateway = start_gateway(ACCESS_LOG="-")
    request_id = gateway.ask(request(b"/echo/a")).header("X-Request-Id").decode()
    gateway.wait_for_log(f'"request_id":"{request_id}"')


def test_without_the_setting_there_is_none(start_gateway, backend):
    gateway = start_gateway()
    answer = gateway.ask(request(b"/echo/a"))
    assert gateway.stop() == 0
    assert answer.header("X-Request-Id").decode() not in gateway.log.read_text()


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "GATEWAY_PORT": str(free_port()), "ACCESS_LOG": "/none/x"}
    command = [sys.executable, "-m", "gateway"]
    started = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert started.returncode == 1
    assert started.stderr == "gateway: ACCESS_LOG: /none/x cannot be written: No such file or directory.\n"


# -- The log by itself ---------------------------------------------------------------------------


def test_a_full_disk_loses_lines_and_counts_them():
    log = AccessLog(access_log.Path("/dev/full"))
    for _ in range(3):
        log.append(record(), 0, None)
    log.close()
    assert log.dropped == 3


def test_a_pipe_that_nobody_reads_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(access_log, "BUFFER_BYTES", 200_000)
    monkeypatch.setattr(access_log, "CLOSE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(tmp_path / "pipe")
    for _ in range(10_000):
        log.append(record(), 0, None)
    assert log.dropped > 5_000
    dropped = log.dropped
    text = b""
    while text.count(b"\n") < 10_000 - dropped:
        log.flush()
        try:
            text += os.read(reader, 2**16)
        except BlockingIOError:
            continue
    log.close()
    os.close(reader)
    assert log.dropped == dropped
    assert all(json.loads(one)["request_id"] == "id" for one in text.splitlines())


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(b"/" + b"a" * 16_000, id="long"),
        pytest.param(b'/"\\' * 5_000, id="full of quotes"),
        pytest.param(b"/" + b"\x01\xff\n" * 5_000, id="no text"),
    ],
)
def test_no_line_is_longer_than_a_pipe_takes_at_once(url):
    text = line(record(url), 0, TRACE)
    assert len(text) <= LINE_BYTES
    assert text.count(b"\n") == 1
    assert json.loads(text)["url"].endswith("...")


def test_a_line_cannot_be_broken():
    text = line(record(b'/a"\n{}\xff'), 0, None)
    assert text.count(b"\n") == 1
    assert json.loads(text)["url"] == '/a"\n{}\\xff'
