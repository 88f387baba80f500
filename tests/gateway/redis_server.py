"""A Redis server of a test's own: it can be stopped, killed, and started again with or without its data."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis

from tests.gateway.conftest import free_port
from tests.gateway.raw import TIMEOUT_SECONDS


class RedisServer:
    """`options` are more of the server's own. `client` uses database 0, or `db`."""

    def __init__(
        self, directory: Path, *, host: str = "127.0.0.1", keeps: bool = True, db: int = 0, **options: object
    ) -> None:
        if shutil.which("redis-server") is None:
            if os.environ.get("CI"):
                pytest.fail("there is no redis-server")
            pytest.skip("needs redis-server")
        self.directory, self.host, self.port, self.keeps, self.db = directory, host, free_port(), keeps, db
        self.url = f"redis://{host}:{self.port}/{db}"
        self._options = options
        self.start()

    def start(self) -> None:
        persistence = ["--appendonly", "yes", "--appendfsync", "always"] if self.keeps else ["--save", ""]
        options = {"bind": self.host, "port": self.port, "dir": self.directory, "protected-mode": "no"} | self._options
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self.process = subprocess.Popen(["redis-server", *arguments, *persistence], stdout=subprocess.DEVNULL)
        password = self._options.get("requirepass")
        self.client = redis.Redis(self.host, self.port, self.db, password, decode_responses=True)
        end = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                self.client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > end:
                    self.kill()
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()

    def counted(self, kind: str) -> int:
        """Calls in all rate windows, or in all quotas."""
        keys = list(self.client.scan_iter(f"gateway:{kind}:*"))
        if kind == "rate":
            return sum(self.client.llen(key) for key in keys)
        return sum(int(self.client.hget(key, "calls")) for key in keys)
