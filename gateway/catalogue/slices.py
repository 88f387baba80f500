"""Long work beside the calls, in the event loop's own thread.

A thread of its own would take the interpreter's lock from the loop for milliseconds at a time, and
would have to share what it changes. So long work is a generator that pauses often; it runs for a
slice of time, then the loop serves whoever has come meanwhile.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Final

SLICE_SECONDS: Final = 0.0001


async def in_slices(steps: Iterator[None]) -> None:
    end = perf_counter() + SLICE_SECONDS
    for _ in steps:
        if perf_counter() >= end:
            await asyncio.sleep(0)
            end = perf_counter() + SLICE_SECONDS


def emptied(*dicts: dict[Any, Any]) -> Iterator[None]:
    """Free what nobody else holds of these, in steps: all at once it would take milliseconds."""
    for one in dicts:
        while one:
            one.popitem()
            yield
