"""Notices when the event loop gets to nothing else, and logs where it is stuck."""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from gateway.log import Sparingly

FRAMES: Final = 6
# What lasts so long is logged before it is over, and again each time that it has doubled.
LONG_SECONDS: Final = 1.0

_UNSEEN: Final = "(unseen: the process was held up as a whole, or it was just over)"
_was_stuck: Final = Sparingly(logging.WARNING, "event loop was stuck: seconds=%.3f cpu_seconds=%.3f at=%s")
_is_stuck: Final = Sparingly(logging.ERROR, "event loop is stuck: seconds=%.3f cpu_seconds=%.3f at=%s")


class Watchdog:
    """A thread that asks the loop for an answer, and looks at the loop's stack while none comes.

    `on_stall` gets the seconds of each stall, in the loop's thread. CPU time of that thread tells a
    long computation from waiting, and from a machine that is too busy to run the process at all.
    """

    def __init__(self, seconds: float, on_stall: Callable[[float], object]) -> None:
        """For stalls of `seconds` or more; half as much again where they begin between two questions."""
        self._seconds = seconds
        self._on_stall = on_stall
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._cpu_clock = time.pthread_getcpuclockid(self._loop_thread)
        self._asked_at: float | None = None
        self._cpu_then = 0.0
        self._where = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        next_line = LONG_SECONDS
        while not self._stopping.wait(self._seconds / 2):
            now, asked_at = time.monotonic(), self._asked_at
            if asked_at is None:
                next_line = LONG_SECONDS
                self._ask(now)
            elif now - asked_at >= self._seconds:
                where = _where(sys._current_frames().get(self._loop_thread))
                # The first place: by a later look the stall may be over, and the loop somewhere else.
                self._where = self._where or where
                if now - asked_at >= next_line:
                    next_line *= 2
                    _is_stuck.log("", now, now - asked_at, self._cpu_seconds(), where)

    def _ask(self, now: float) -> None:
        self._where = ""
        self._cpu_then = time.clock_gettime(self._cpu_clock)
        self._asked_at = now
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        asked_at, self._asked_at = self._asked_at, None
        assert asked_at is not None
        now = time.monotonic()
        if now - asked_at >= self._seconds:
            self._on_stall(now - asked_at)
            _was_stuck.log("", now, now - asked_at, self._cpu_seconds(), self._where or _UNSEEN)

    def _cpu_seconds(self) -> float:
        return time.clock_gettime(self._cpu_clock) - self._cpu_then


def _where(frame: FrameType | None) -> str:
    """The innermost calls, without any of their values."""
    calls: list[str] = []
    while frame is not None and len(calls) < FRAMES:
        file = "/".join(frame.f_code.co_filename.split("/")[-2:])
        calls.append(f"{frame.f_code.co_qualname} ({file}:{frame.f_lineno})")
        frame = frame.f_back
    return " < ".join(calls)
