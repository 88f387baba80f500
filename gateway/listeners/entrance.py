"""Where connections come in that are not callers yet."""

import asyncio
import errno
import logging
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway.listeners.arrival import Arrival
from gateway.log import Sparingly

if TYPE_CHECKING:
    from gateway.server import Server

# So many at once, so that a flood of new connections does not keep the calls of the others waiting.
_ACCEPTED_AT_ONCE: Final = 64
_PAUSE_SECONDS: Final = 1.0
_WITHOUT_ROOM: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

_no_room: Final = Sparingly(logging.ERROR, "no connection can be accepted for a second: %s")


class Entrance:
    """Accepts on a listening socket.

    Callers speak TLS where there is a context for it, and come after a PROXY header where `is_proxied`.
    """

    def __init__(
        self, server: "Server", listening: socket.socket, tls: ssl.SSLContext | None, *, is_proxied: bool
    ) -> None:
        self._server = server
        self._listening = listening
        self._tls = tls
        self._is_proxied = is_proxied
        self._loop = asyncio.get_running_loop()
        self._resuming: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = self._listening.accept()
            except OSError as error:
                if error.errno in _WITHOUT_ROOM:
                    self._pause(error)
                return
            connection.setblocking(False)
            Arrival(self._server, connection, str(address[0]), self._tls, is_proxied=self._is_proxied).begin()

    def _pause(self, error: OSError) -> None:
        _no_room.log(error.errno, self._server.time, error.strerror)
        self._loop.remove_reader(self._listening)
        self._resuming = self._loop.call_later(_PAUSE_SECONDS, self._loop.add_reader, self._listening, self._accept)

    def close(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        with suppress(ValueError):
            self._loop.remove_reader(self._listening)
        self._listening.close()
