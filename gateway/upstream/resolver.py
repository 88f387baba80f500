"""Host names of backends to addresses, so that a name which does not resolve hurts nobody but itself.

- IP literals are never looked up.
- A name has one look-up at a time, which all who wait for it share. Each runs in a thread of its
  own, because nothing can end a `getaddrinfo` that waits; the number of threads is bounded.
- Names that were slow before may hold few of the threads; past that they fail at once.
- What was found is used for a while, and so is a failure. When the name server then cannot say or
  does not answer, the old addresses are used (RFC 8767), but not when it says that there are none.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from gateway import tasks

Address: TypeAlias = tuple[socket.AddressFamily, Any]
"""Family, and what a socket of it connects to. In the cache the port is 0."""

FRESH_SECONDS: Final = 30.0
FAILED_SECONDS: Final = 2.0
# RFC 8767 4: so long an old answer may be used; and 5: so long is waited for a new one before that.
STALE_SECONDS: Final = 24 * 3600.0
PATIENCE_SECONDS: Final = 1.8
# A look-up that takes longer makes its name a slow one.
SLOW_SECONDS: Final = 2.0
THREADS: Final = 32
SLOW_THREADS: Final = 4
REMEMBERED_NAMES: Final = 10_000
_NO_SUCH_NAME: Final = (socket.EAI_NONAME, socket.EAI_NODATA)


class _Name:
    """What is known of a name. `look_up` is the look-up that is under way."""

    __slots__ = ("addresses", "error", "found_at", "is_slow", "look_up", "looked_at", "use_until")

    def __init__(self) -> None:
        self.addresses: Sequence[Address] = ()
        self.error: OSError | None = None
        self.found_at = self.looked_at = self.use_until = float("-inf")
        self.look_up: asyncio.Task[None] | None = None
        self.is_slow = False


class Resolver:
    def __init__(self) -> None:
        self._names: dict[str, _Name] = {}
        self._threads = asyncio.Semaphore(THREADS)
        self._slow_look_ups = 0

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Families in turn (RFC 8305 4). Raises OSError; for a name, it can take as long as the name server."""
        name = self._names.get(host)
        if name is None:
            with suppress(OSError):
                return _with_port(_get_addresses(host, socket.AI_NUMERICHOST), port)
            name = self._remember(host)
        if name.use_until <= _now():
            await self._renew(host, name)
        if name.addresses and _now() - name.found_at < STALE_SECONDS:
            return _with_port(name.addresses, port)
        if name.error is None:
            raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
        # Without the traceback, which would grow with each call that it is raised to.
        raise name.error.with_traceback(None)

    def current(self, host: str) -> Sequence[Address] | None:
        """What the name server said last; None where that was nothing. It is asked again when that has become old."""
        name = self._names.get(host)
        if name is None:
            return None
        if name.use_until <= _now():
            self._look_up_again(host, name)
        return name.addresses or None

    def distrust(self, host: str) -> bool:
        """No address of the host could be reached: whether another look at the name may help."""
        name = self._names.get(host)
        if name is None or _now() - name.looked_at < FAILED_SECONDS:
            return False
        name.use_until = _now()
        return True

    def _remember(self, host: str) -> _Name:
        if len(self._names) >= REMEMBERED_NAMES:
            self._names = {host: name for host, name in self._names.items() if name.look_up is not None}
        name = self._names[host] = _Name()
        return name

    async def _renew(self, host: str, name: _Name) -> None:
        """Wait for a look-up; where old addresses are at hand, not for long."""
        self._look_up_again(host, name)
        if name.look_up is None:
            return
        patience = None
        if name.addresses:
            patience = 0 if name.is_slow else max(name.looked_at + PATIENCE_SECONDS - _now(), 0)
        await asyncio.wait([name.look_up], timeout=patience)

    def _look_up_again(self, host: str, name: _Name) -> None:
        """Unless it is under way, or the name is one of too many slow ones."""
        if name.look_up is not None or (name.is_slow and self._slow_look_ups >= SLOW_THREADS):
            return
        self._slow_look_ups += name.is_slow
        name.looked_at = _now()
        name.look_up = tasks.start(self._look_up(host, name), name=f"look up {host}")

    async def _look_up(self, host: str, name: _Name) -> None:
        was_slow = name.is_slow
        async with self._threads:
            began = _now()
            found = await _in_a_thread(host)
        self._slow_look_ups -= was_slow
        now = _now()
        name.is_slow = now - began >= SLOW_SECONDS
        name.look_up = None
        name.looked_at = now
        if isinstance(found, OSError):
            name.error = found
            if found.errno in _NO_SUCH_NAME:
                name.addresses = ()
            name.use_until = now + (FRESH_SECONDS if name.addresses else FAILED_SECONDS)
        else:
            name.addresses, name.error = found, None
            name.found_at = now
            name.use_until = now + FRESH_SECONDS


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _in_a_thread(host: str) -> list[Address] | OSError:
    """A daemon's, so that a look-up without an end does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address] | OSError] = loop.create_future()

    def settle(result: list[Address] | OSError) -> None:
        if not found.done():
            found.set_result(result)

    def look_up() -> None:
        result: list[Address] | OSError
        try:
            result = _get_addresses(host)
        except OSError as error:
            result = error
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(settle, result)

    try:
        threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    except RuntimeError as error:
        return OSError(str(error))
    return await found


def _get_addresses(host: str, flags: int = 0) -> list[Address]:
    # As bytes, since as text Python would encode it for IDNA, which a service URL is already.
    found = socket.getaddrinfo(host.encode("ascii"), 0, type=socket.SOCK_STREAM, flags=flags)
    first_family = found[0][0]
    first: list[Address] = [(family, address) for family, _, _, _, address in found if family == first_family]
    second: list[Address] = [(family, address) for family, _, _, _, address in found if family != first_family]
    in_turn = [entry for pair in zip(first, second, strict=False) for entry in pair]
    return in_turn + first[len(second) :] + second[len(first) :]


def _with_port(addresses: Sequence[Address], port: int) -> list[Address]:
    return [(family, (address[0], port, *address[2:])) for family, address in addresses]
