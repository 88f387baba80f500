"""Starting and stopping everything on one machine."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from deploy import start, supervise
from portal.environment import SettingError

# Ends at once, and leaves a child behind that holds its output.
LEAVES_A_CHILD = """import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open("starts", "a") as log: log.write("x")
os.kill(os.getpid(), 9)
"""


def supervised(commands: dict[str, str], until) -> int:
    async def when_started() -> bool:
        while not until():
            await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)
        return True

    return asyncio.run(asyncio.wait_for(supervise.run(commands, dict(os.environ), when_started), 30))


def test_a_process_that_is_killed_is_started_again_even_if_a_child_of_it_lives(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervise, "RESTART_SECONDS", 0.01)
    Path("program.py").write_text(LEAVES_A_CHILD)
    starts = Path("starts")
    code = supervised(
        {"web": f"'{sys.executable}' program.py"}, lambda: starts.exists() and len(starts.read_text()) > 2
    )
    assert code == 0
    assert "web | ended with exit code -9; it is started again" in capfd.readouterr().out


def test_a_start_that_fails_ends_all(tmp_path, capfd):
    async def when_started() -> bool:
        return False

    assert asyncio.run(supervise.run({"web": "sleep 60"}, dict(os.environ), when_started)) == 1


def test_lines_carry_the_name_of_their_process(tmp_path, capfd):
    seen = []

    def both() -> bool:
        seen.append(capfd.readouterr().out)
        return "one   | 1" in "".join(seen) and "three | 3" in "".join(seen)

    supervised({"one": "echo 1; exec sleep 60", "three": "echo 3; exec sleep 60"}, both)


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


def test_a_port_in_use_is_named(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        environment.setenv("PORTAL_PORT", str(free.getsockname()[1]))
        free.close()
        environment.setenv("GATEWAY_PORT", str(taken.getsockname()[1]))
        with pytest.raises(SettingError, match=r"GATEWAY_PORT: .* cannot be used"):
            start.require_free_ports(start.prepare_environment(), demo=False)
