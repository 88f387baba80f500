"""How much of the portal one person's calls may take.

A call holds one of the web server's threads until its answer is there. All of this is counted in
this process, for it is this process's threads that are to be kept free.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.utils.translation import gettext as _

from portal.http import PageRequest, caller_address

# The Procfile gives a web process 8 threads.
IN_FLIGHT = 6
IN_FLIGHT_PER_PERSON = 3
GUEST_CALLS_PER_MINUTE = 30


class RefusedNow(Exception):
    """Not now: the text says why and is meant for the user."""


class InFlight:
    """Calls under way, by person."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: Counter[str] = Counter()

    @contextmanager
    def place(self, person: str) -> Iterator[None]:
        """Hold a place while the call runs. Raises RefusedNow where there is none."""
        with self._lock:
            if self._calls[person] >= IN_FLIGHT_PER_PERSON:
                raise RefusedNow(
                    _(
                        "%(count)s of your calls are still under way. Cancel one of them, or send again when one "
                        "has ended."
                    )
                    % {"count": IN_FLIGHT_PER_PERSON}
                )
            if self._calls.total() >= IN_FLIGHT:
                raise RefusedNow(_("The portal is busy with other people's calls. Send again in a moment."))
            self._calls[person] += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls[person] -= 1
                self._calls += Counter()  # Drops people who have no call left.


class GuestCalls:
    """Calls of people who are not signed in, by address and minute."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._minute = 0
        self._calls: Counter[str] = Counter()

    def count(self, address: str, now: float) -> None:
        """Raises RefusedNow where the address has had its calls of this minute."""
        with self._lock:
            minute = int(now // 60)
            if minute != self._minute:
                self._minute = minute
                self._calls.clear()
            if self._calls[address] >= GUEST_CALLS_PER_MINUTE:
                raise RefusedNow(
                    _(
                        "Without signing in, %(limit)s calls a minute are possible. Send again in %(seconds)s "
                        "seconds, or sign in."
                    )
                    % {"limit": GUEST_CALLS_PER_MINUTE, "seconds": 60 - int(now % 60)}
                )
            self._calls[address] += 1


_in_flight = InFlight()
_guest_calls = GuestCalls()


@contextmanager
def allowed(request: PageRequest) -> Iterator[None]:
    """Hold a place for a call of whoever sent the request. Raises RefusedNow."""
    if request.user.is_authenticated:
        person = f"user {request.user.pk}"
    else:
        person = _neighbourhood(caller_address(request))
        _guest_calls.count(person, time.time())
    with _in_flight.place(person):
        yield


def _neighbourhood(address: str) -> str:
    """An IPv6 address's /64, of which one person has all; else the address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else address
