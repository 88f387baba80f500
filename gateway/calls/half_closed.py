"""Whether a caller that has closed its half of the connection has left altogether.

TCP tells the two apart only by what becomes of data: who has left answers it by a reset. An interim
answer is data that every caller of HTTP/1.1 must expect and can ignore (RFC 9110 15.2.1).
"""

import asyncio
import socket
from typing import Final

from gateway.http.replies import CONTINUE

LOOK_SECONDS: Final = 1.0
# There are few, for clients refuse many interim answers.
_PROBING_LOOKS: Final = frozenset((1, 4, 16, 64))


class HalfClosed:
    """It is looked after every LOOK_SECONDS until its answer begins."""

    __slots__ = ("_looks",)

    def __init__(self) -> None:
        self._looks = 0

    def begin(self) -> None:
        """With the next request that it has sent."""
        self._looks = 0

    def is_gone(self, transport: asyncio.Transport, *, may_probe: bool) -> bool:
        """Where nothing is read or written, the loop does not find out by itself."""
        connection = transport.get_extra_info("socket")
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return True
        self._looks += 1
        if may_probe and self._looks in _PROBING_LOOKS:
            transport.write(CONTINUE)
        return False
