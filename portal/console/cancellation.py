"""Cancels a call that is under way, in whichever web process it runs.

The page makes up an id that nobody can guess and sends it along with the call. Posted once more, it
ends the call: at once in this process, and in others as soon as they look into the shared cache.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from django.core.cache import cache

from portal.console.deadline import Deadline

# One entry for all, so that strangers cannot fill the cache. What is pushed out, or lost between two
# processes that write at the same time, runs on to its time limit.
_ENTRY = "portal.console.cancelled"
_KEPT_CALLS = 100
_KEPT_SECONDS = 600

_lock = Lock()
_running: dict[UUID, Deadline] = {}


def call_id_of(text: str) -> UUID | None:
    """The id that a page sent; None where it sent none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def cancel(call: UUID) -> None:
    with _lock:
        running = _running.get(call)
        if running is not None:
            running.cancel()
            return
        cache.set(_ENTRY, [*cache.get(_ENTRY, []), call.hex][-_KEPT_CALLS:], _KEPT_SECONDS)


@contextmanager
def cancellable(seconds: float, call: UUID | None) -> Iterator[Deadline]:
    """A deadline for a call that can be cancelled under its id; one without an id cannot."""
    if call is None:
        with Deadline(seconds) as deadline:
            yield deadline
        return
    deadline = Deadline(seconds, lambda: call.hex in cache.get(_ENTRY, []))
    with _lock:
        _running[call] = deadline
    try:
        with deadline:
            yield deadline
    finally:
        with _lock:
            _running.pop(call, None)
