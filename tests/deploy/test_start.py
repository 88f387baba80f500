"""Starting and stopping everything on one machine."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import start
from portal.environment import SettingError

# Ends at once, and leaves a child behind that holds its output.
LEAVES_A_CHILD = """import os, pathlib, subprocess, sys
starts = pathlib.Path("starts")
starts.touch()
print("start", starts.stat().st_size, flush=True)
starts.write_text("x" * (starts.stat().st_size + 1))
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
os.kill(os.getpid(), 9)
"""


SUPERVISE = """import asyncio, json, os, sys
from deploy import supervise
commands, is_fine, supervise.RESTART_SECONDS, kill_seconds = json.loads(sys.argv[1])
async def when_started(): return is_fine
sys.exit(asyncio.run(supervise.run(commands, dict(os.environ), when_started, kill_seconds=kill_seconds)))
"""


@contextmanager
def supervised(
    commands: dict[str, str],
    folder: Path,
    *,
    is_fine: bool = True,
    restart_seconds: float = 0.01,
    kill_seconds: float = 10,
) -> Iterator[subprocess.Popen]:
    """A supervisor of its own, for it wants the main thread and its signals."""
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, json.dumps([commands, is_fine, restart_seconds, kill_seconds])],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(start.BASE_DIR)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def lines_until(process: subprocess.Popen, *wanted: str) -> list[str]:
    lines: list[str] = []
    while not set(wanted) <= set(lines):
        line = process.stdout.readline()
        assert line, lines
        lines.append(line.strip())
    return lines


def test_a_process_that_is_killed_is_started_again_even_if_a_child_of_it_lives(tmp_path):
    (tmp_path / "program.py").write_text(LEAVES_A_CHILD)
    with supervised({"web": f"'{sys.executable}' program.py"}, tmp_path) as process:
        lines_until(process, "web | start 2")
        lines_until(process, "web | ended with exit code -9; it is started again")
    assert process.returncode == 0


def test_a_process_that_ends_as_it_was_asked_to_is_started_again_at_once(tmp_path):
    command = "sh -c 'echo start >> starts; wc -l < starts'"
    with supervised({"gateway": command}, tmp_path, restart_seconds=3600) as process:
        lines_until(process, "gateway | 3")


def test_a_process_that_does_not_end_is_killed_when_its_time_is_over(tmp_path):
    command = "sh -c 'trap : TERM; echo 1; while true; do sleep 0.1; done'"
    with supervised({"gateway": command}, tmp_path, kill_seconds=0.3) as process:
        lines_until(process, "gateway | 1")
    assert process.returncode == 0


def test_a_start_that_fails_ends_all(tmp_path):
    with supervised({"web": "sleep 60"}, tmp_path, is_fine=False) as process:
        assert process.wait() == 1


def test_lines_carry_the_name_of_their_process(tmp_path):
    with supervised({"one": "sh -c 'echo 1; sleep 60'", "three": "sh -c 'echo 3; sleep 60'"}, tmp_path) as process:
        lines_until(process, "one   | 1", "three | 3")


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    for name in ("SECRET_KEY", "KEY_ENCRYPTION_KEY"):
        monkeypatch.delenv(name)
    return monkeypatch


def test_secrets_are_made_once_and_for_their_owner_only(environment, tmp_path):
    start.prepare_environment()
    kept = {name: (tmp_path / "data" / name).read_text() for name in ("secret_key", "key_encryption_key")}
    start.prepare_environment()
    for name, secret in kept.items():
        assert (tmp_path / "data" / name).read_text() == secret
        assert (tmp_path / "data" / name).stat().st_mode & 0o077 == 0
    assert len(set(kept.values())) == 2


def test_a_second_start_on_the_same_data_is_refused(environment, tmp_path):
    with (
        start.only_start(tmp_path),
        pytest.raises(SettingError, match=r"DATA_DIR: .* in use"),
        start.only_start(tmp_path),
    ):
        pass


def test_a_folder_that_cannot_be_used_is_named(environment):
    environment.setenv("DATA_DIR", "/proc/nowhere")
    with pytest.raises(SettingError, match="DATA_DIR: /proc/nowhere cannot be used"):
        start.prepare_environment()


def test_equal_ports_are_refused(environment):
    environment.setenv("PORTAL_PORT", "8000")
    environment.setenv("GATEWAY_PORT", "8000")
    with pytest.raises(SettingError, match="a port of its own"):
        start.prepare_environment()


@pytest.mark.parametrize("name", ["GATEWAY_PORT", "GATEWAY_MANAGEMENT_PORT"])
def test_a_port_in_use_is_named(environment, name):
    with socket.create_server(("127.0.0.1", 0)) as taken, contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = [listening.getsockname()[1] for listening in free]
        stack.close()
        for one, port in zip(("PORTAL_PORT", "GATEWAY_PORT", "GATEWAY_MANAGEMENT_PORT"), ports, strict=True):
            environment.setenv(one, str(port))
        environment.setenv(name, str(taken.getsockname()[1]))
        with pytest.raises(SettingError, match=rf"^{name}: .* cannot be used"):
            start.require_free_ports(start.prepare_environment(), demo=False)
