"""Where the event loop was stuck, and for how long."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator

import pytest

from gateway.log import logger
from gateway.process.watchdog import Watchdog
from tests.gateway.conftest import echo_snapshot, wait_for
from tests.gateway.raw import TIMEOUT_SECONDS

STUCK = re.compile(r"event loop was stuck: seconds=([\d.]+) cpu_seconds=([\d.]+) at=(.+) left_out=\d+")


@pytest.fixture(autouse=True)
def every_line_logged(monkeypatch):
    """Lines are sparse over all tests otherwise."""
    monkeypatch.setattr("gateway.log.SECONDS_BETWEEN_LINES", 0)


@pytest.fixture
def told(monkeypatch) -> Iterator[list[str]]:
    """What is logged, and soon: also of a stall that is not over yet."""
    monkeypatch.setattr("gateway.process.watchdog.LONG_SECONDS", 0.1)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda entry: lines.append(entry.getMessage())
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def wait(told: list[str]) -> None:
    """Until the watchdog has told of it."""
    latest = time.monotonic() + TIMEOUT_SECONDS
    while " at=wait (" not in str(told) and time.monotonic() < latest:
        time.sleep(0.1)


def compute(told: list[str]) -> None:
    """Until the watchdog has told of it, and for longer than `wait` uses the processor."""
    latest = time.monotonic() + TIMEOUT_SECONDS
    while " at=compute (" not in str(told) and time.monotonic() < latest:
        pass
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass


def run(callback: Callable[[], object]) -> list[float]:
    """In a loop under a watchdog; gives the stalls that it counted."""
    stalls: list[float] = []

    async def watched() -> None:
        watchdog = Watchdog(0.1, stalls.append)
        watchdog.start()
        asyncio.get_running_loop().call_later(0.1, callback)
        await asyncio.sleep(0.3)
        watchdog.stop()

    asyncio.run(watched())
    return stalls


@pytest.mark.parametrize("callback", [wait, compute])
def test_a_stall_is_logged_with_its_place_and_its_time(callback, told):
    stalls = run(lambda: callback(told))
    place = f"{callback.__name__} (gateway/test_watchdog.py:"
    # A busy machine may hold up the loop elsewhere too.
    (found,) = [found for found in map(STUCK.fullmatch, told) if found and found[3].startswith(place)]
    seconds, cpu_seconds = float(found[1]), float(found[2])
    assert seconds >= 0.1
    assert seconds in [pytest.approx(stall, abs=0.002) for stall in stalls]
    assert (cpu_seconds < 0.1) == (callback is wait)


def test_what_does_not_end_is_logged_before_it_does(told):
    before_the_end: list[str] = []
    run(lambda: (wait(told), before_the_end.extend(told)))
    (line,) = [line for line in before_the_end if " at=wait (gateway/test_watchdog.py:" in line]
    assert line.startswith("event loop is stuck: seconds=")


def test_a_loop_that_turns_is_left_alone(caplog):
    stalls: list[float] = []

    async def turn() -> None:
        # Longer than a busy machine holds up the loop as a whole.
        watchdog = Watchdog(2, stalls.append)
        watchdog.start()
        for _ in range(50):
            await asyncio.sleep(0.1)
        watchdog.stop()

    asyncio.run(turn())
    assert stalls == []
    assert caplog.records == []


def test_a_stall_that_nobody_saw_says_so(caplog):
    async def held_up() -> None:
        watchdog = Watchdog(0.05, lambda seconds: None)
        watchdog._ask(time.monotonic())
        time.sleep(0.1)
        await asyncio.sleep(0)

    asyncio.run(held_up())
    assert " at=(unseen: " in caplog.records[0].getMessage()


def test_a_worker_tells_where_it_was_stuck(start_gateway, backend):
    gateway = start_gateway(program="tests.gateway.with_stalls", STALL_LOG_SECONDS=0.1)
    gateway.configure(echo_snapshot(f"http://127.0.0.1:{backend.port}/elsewhere"))

    def seconds() -> list[float]:
        found = filter(None, map(STUCK.search, gateway.log.read_text().splitlines()))
        return [float(one[1]) for one in found if one[3].startswith("publish_and_block (gateway/with_stalls.py:")]

    wait_for(seconds)
    assert seconds()[0] >= 0.1
