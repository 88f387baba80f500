"""Ends the WebSockets of keys that open their API no more: of who is blocked or suspended, or has a new key.

All open ones are looked at by turns, beside the calls, so that no call costs more for it; while there are none, nothing
is done. An answer that has begun goes on to its end, for it has one.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.catalogue.admission import still_opens
from gateway.catalogue.slices import in_slices
from gateway.log import logger

if TYPE_CHECKING:
    from gateway.server import Server

LOOK_SECONDS = 0.25


async def end_revoked_tunnels(server: "Server") -> None:
    """Until none is open."""
    while server.tunnels:
        await asyncio.sleep(LOOK_SECONDS)
        await in_slices(_look(server))


def _look(server: "Server") -> Iterator[None]:
    ended = 0
    for tunnel, admitted in list(server.tunnels.items()):
        if server.catalogue is not None and not still_opens(server.catalogue, admitted, time.time()):
            tunnel.cut()
            ended += 1
        yield
    if ended:
        logger.info("WebSockets ended, their keys open no more: count=%d", ended)
