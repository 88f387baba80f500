"""A PostgreSQL of the test's own, which it may kill; and who the processes of the product are."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.gateway.conftest import free_port

POSTGRESQL_PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
PATIENCE_SECONDS = 180


class PostgreSQL:
    """It refuses to run as root, so then it runs as `postgres`."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgresql://apim@127.0.0.1:{self.port}/postgres"
        # Not in pytest's folder, which is root's alone.
        self._directory = Path(tempfile.mkdtemp(prefix="chaos-postgresql-"))
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self._directory, self._user)
        options = ("--auth=trust", "--username=apim", "--encoding=UTF8", "--no-sync")
        subprocess.run(
            self._program("initdb", "-D", str(self._directory / "data"), *options), **self._quiet(), check=True
        )
        self.start()

    def start(self) -> None:
        self._launch()
        wait_until(self._answers)

    def _launch(self) -> None:
        self.process = subprocess.Popen(
            # Without fsync (-F) nothing that a killed process had written is lost, only what a power failure takes.
            self._program("postgres", "-F", "-D", str(self._directory / "data"), "-p", str(self.port), "-k", ""),
            **self._quiet(),
        )

    def kill(self) -> None:
        """The postmaster alone: its children see that and end, as they would after a crash."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self._directory)

    def _answers(self) -> bool:
        # A postmaster does not start while a child of the killed one still lives.
        if self.process.poll() is not None:
            self._launch()
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _program(self, name: str, *arguments: str) -> list[str]:
        return [str(POSTGRESQL_PROGRAMS / name), *arguments]

    def _quiet(self) -> dict[str, object]:
        return {"user": self._user, "cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {PATIENCE_SECONDS} seconds"
        time.sleep(0.02)


def family(pid: int) -> dict[int, str]:
    """All processes that a process has started, itself or through others, with their command lines."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
            commands = {child: command_line(child) for child in children}
        except OSError:
            continue
        found |= commands
        for child in children:
            found |= family(child)
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
