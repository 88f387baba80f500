"""A time limit for a whole exchange, whatever the other side does meanwhile.

A read's time-out begins anew with each byte, so whoever sends one byte now and then holds a thread
for ever. At the deadline the socket is shut down instead, from another thread.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool


class Deadline:
    """Runs from entering to leaving the `with`; `has_passed` tells whether it cut the exchange."""

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self.has_passed:
                self._shut_down()

    def _pass(self) -> None:
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
