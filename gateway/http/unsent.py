"""How much of what was sent the other side has not taken yet: who takes some of it now and then is slow, not gone."""

import asyncio
import fcntl
import sys
import termios
from contextlib import suppress


def unsent_bytes(transport: asyncio.Transport) -> int:
    """What waits in the transport and, where the kernel tells, what it holds unacknowledged."""
    waiting = transport.get_write_buffer_size()
    connection = transport.get_extra_info("socket")
    with suppress(OSError, ValueError):
        waiting += int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    return waiting
