"""What the event loop calls."""

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gateway.calls.caller import Caller
    from gateway.upstream.connection import Upstream


def as_protocol(connection: "Caller | Upstream") -> asyncio.Protocol:
    """They have all of its methods, and do not inherit from it: a compiled class cannot have an interpreted base."""
    return cast(asyncio.Protocol, connection)
