"""A time limit for a whole exchange, whatever the other side does meanwhile, and an end at any time.

A read's time-out begins anew with each byte, so whoever sends one byte now and then holds a thread
for ever. At the deadline, or when the exchange is cancelled, the socket is shut down instead, from
another thread.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

POLL_SECONDS = 0.25


class Deadline:
    """Runs from entering to leaving the `with`; `has_passed` and `was_cancelled` tell whether it cut the exchange.

    `is_cancelled` is asked a few times a second, and once before anything is sent.
    """

    def __init__(self, seconds: float, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        self.has_passed = False
        self.was_cancelled = False
        self._is_cancelled = is_cancelled
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._socket: socket.socket | None = None
        self._ends_at = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._watch_the_time, daemon=True)

    def __enter__(self) -> "Deadline":
        if self._is_cancelled():
            self.cancel()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._socket = None
        self._left.set()

    @property
    def has_cut(self) -> bool:
        return self.has_passed or self.was_cancelled

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self.has_cut:
                self._shut_down()

    def cancel(self) -> None:
        with self._lock:
            self.was_cancelled = True
            self._shut_down()

    def _watch_the_time(self) -> None:
        while (remaining := self._ends_at - time.monotonic()) > 0:
            if self._left.wait(min(remaining, POLL_SECONDS)) or self.was_cancelled:
                return
            if self._is_cancelled():
                self.cancel()
                return
        with self._lock:
            self.has_passed = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # The plain method also for TLS, whose own would take the session from under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class DeadlineAdapter(HTTPAdapter):
    """Connections of `requests` that stand under a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._deadline = deadline

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        assert isinstance(pool, HTTPConnectionPool)
        deadline = self._deadline

        class WatchedConnection(pool.ConnectionCls):  # type: ignore[name-defined,misc]  # http's or https's
            def connect(self) -> None:
                super().connect()
                deadline.watch(self.sock)

        pool.ConnectionCls = WatchedConnection
        return pool
