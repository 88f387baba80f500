"""The sockets that callers connect to: one per address and worker, all open in the master.

The kernel spreads connections over the sockets of an address (SO_REUSEPORT). Since the master keeps
them open, what waits in the queue of one outlives its worker and is served by the next.
"""

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from gateway.start_error import StartError

BACKLOG = 1024

Scheme: TypeAlias = Literal["http", "https"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway is to be reached; `settings` are the variables that say so.

    `is_proxied` where each connection begins with a PROXY header.
    """

    scheme: Scheme
    host: str
    port: int
    settings: str
    is_proxied: bool = False

    @property
    def url(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Listener(msgspec.Struct, frozen=True):
    """A listening socket that a worker inherits: its descriptor, and what is spoken on it."""

    scheme: Scheme
    is_proxied: bool
    descriptor: int


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that listens, in the master."""

    address: Address
    socket: socket.socket

    @property
    def listener(self) -> Listener:
        return Listener(self.address.scheme, self.address.is_proxied, self.socket.fileno())


def listen(addresses: Sequence[Address], workers: int) -> list[list[Listening]]:
    """The sockets of each worker. Raises StartError where an address cannot be used."""
    slots: list[list[Listening]] = [[] for _ in range(workers)]
    for address in addresses:
        try:
            for family, where in _resolve(address):
                for number, slot in enumerate(slots):
                    slot.append(Listening(address, _listen(family, where, is_first=number == 0)))
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {_cause(error)}"
            raise StartError(f"{address.host}:{address.port} {reason} ({address.settings}).") from error
    return slots


def _cause(error: OSError) -> str:
    return str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)


def _resolve(address: Address) -> list[tuple[int, tuple[object, ...]]]:
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((family, where) for family, _, _, _, where in found))


def _listen(family: int, where: tuple[object, ...], *, is_first: bool) -> socket.socket:
    """The first socket binds alone, so that an address that another gateway serves is not shared with it."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not is_first:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(where)
        if is_first:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening
