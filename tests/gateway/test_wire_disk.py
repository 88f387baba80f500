"""A disk that is full: calls go on, and what can wait waits."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from gateway.journal.parts import parts, read_records
from gateway.journal.writer import SECONDS_BETWEEN_ERRORS
from tests.gateway.conftest import Gateway, echo_snapshot, free_port, wait_for
from tests.gateway.raw import TIMEOUT_SECONDS

DISK_BYTES = 256 * 1024
CALLS = 3000


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A tiny file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        missing = f"needs the right to mount: {mounted.stderr.decode().strip()}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def request(target: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n" % target


def metric(port: int, name: str) -> float:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_SECONDS) as answer:
        found = re.search(rf"(?m)^apim_gateway_{name}(?:\{{[^}}]*\}})? (\S+)$", answer.read().decode())
    return float(found[1])


def fill(disk: Path) -> Path:
    """A file that takes all of the disk's room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return ballast


@pytest.fixture
def gateway_on(disk, tmp_path, backend):
    started = []

    def start(**settings) -> tuple[Gateway, int]:
        port = free_port()
        directory = tmp_path / "data"
        directory.mkdir(exist_ok=True)
        configuration = echo_snapshot(f"http://127.0.0.1:{backend.port}/base")
        program = "tests.gateway.with_patience"
        started.append(Gateway(directory, configuration, program, GATEWAY_MANAGEMENT_PORT=port, **settings))
        return started[-1].wait_until_it_listens(), port

    yield start
    for gateway in started:
        gateway.kill()


@pytest.mark.parametrize("is_full_at_first", [True, False], ids=["before the first record", "within a part"])
def test_records_wait_in_memory_and_come_in_order(is_full_at_first, gateway_on, disk, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal").symlink_to(disk)
    gateway, port = gateway_on()
    if is_full_at_first:
        ballast = fill(disk)
    else:
        (disk / "ballast").write_bytes(b"x" * (DISK_BYTES // 2))
        ballast = disk / "ballast"
    client = gateway.connect()
    targets = [b"/echo/%d" % number for number in range(CALLS)]
    began = time.monotonic()
    assert {client.ask(request(target)).status for target in targets} == {200}
    gateway.wait_for_log("journal_write_failed error=[Errno 28] No space left on device waiting_bytes=")
    assert metric(port, "journal_waiting_bytes") > 0
    assert metric(port, "journal_dropped_records_total") == 0
    ballast.unlink()
    subprocess.run(["mount", "-o", f"remount,size={16 * DISK_BYTES}", disk], check=True)

    def written() -> list[bytes]:
        return [record.url for part in parts(disk) for record, _ in read_records(part.file)]

    wait_for(lambda: len(written()) >= CALLS)
    assert written() == targets
    assert metric(port, "journal_waiting_bytes") == 0
    minutes = (time.monotonic() - began) / SECONDS_BETWEEN_ERRORS
    assert 1 <= gateway.log.read_text().count("journal_write_failed") <= 1 + minutes


def test_lines_of_the_access_log_are_lost_whole_and_counted(gateway_on, disk):
    gateway, port = gateway_on(ACCESS_LOG=disk / "access.log")
    client = gateway.connect()
    assert client.ask(request(b"/echo/first")).status == 200
    wait_for(lambda: (disk / "access.log").stat().st_size)
    ballast = fill(disk)
    assert {client.ask(request(b"/echo/%d" % number)).status for number in range(100)} == {200}
    gateway.wait_for_log("access_log_failed error=[Errno 28] No space left on device")
    wait_for(lambda: metric(port, "access_log_dropped_lines_total"))
    ballast.unlink()

    def last_line_is_whole() -> bool:
        assert client.ask(request(b"/echo/last")).status == 200
        return '"/echo/last"' in (disk / "access.log").read_text().rpartition("\n")[0]

    wait_for(last_line_is_whole)
    lines = (disk / "access.log").read_text().splitlines()
    whole = [line for line in lines if line.endswith("}")]
    assert len(lines) - len(whole) <= 1, "only what was torn off by the full disk is no whole line"
    urls = [json.loads(line)["url"] for line in whole]
    assert urls[0] == "/echo/first"
    assert urls[-1] == "/echo/last"
