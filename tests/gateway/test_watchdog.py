"""Where the event loop was stuck, and for how long."""

import asyncio
import logging
import re
import time

import pytest

from gateway.process.watchdog import Watchdog
from tests.gateway.conftest import echo_snapshot

STUCK = re.compile(r"event loop was stuck: seconds=([\d.]+) cpu_seconds=([\d.]+) at=(.+) left_out=\d+")


def wait(seconds: float) -> None:
    time.sleep(seconds)


def compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def run(*callbacks, seconds: float = 0.05) -> list[float]:
    """Each callback in a loop of its own, under a watchdog; gives the stalls that it counted."""
    stalls: list[float] = []

    async def watched() -> None:
        watchdog = Watchdog(seconds, stalls.append)
        watchdog.start()
        await asyncio.sleep(seconds)
        for callback in callbacks:
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(2 * seconds)
        watchdog.stop()

    asyncio.run(watched())
    return stalls


@pytest.fixture(autouse=True)
def every_line_logged(monkeypatch):
    """Lines are sparse over all tests otherwise."""
    monkeypatch.setattr("gateway.log.SECONDS_BETWEEN_LINES", 0)


@pytest.mark.parametrize("callback", [wait, compute])
def test_a_stall_is_logged_with_its_place_and_its_time(callback, caplog):
    (stall,) = run(lambda: callback(0.3), seconds=0.1)
    (found,) = [STUCK.fullmatch(entry.getMessage()) for entry in caplog.records]
    seconds, cpu_seconds, where = float(found[1]), float(found[2]), found[3]
    assert where.startswith(f"{callback.__name__} (gateway/test_watchdog.py:")
    assert 0.1 <= seconds == pytest.approx(stall, abs=0.002)
    assert (cpu_seconds < 0.05) == (callback is wait)


def test_what_does_not_end_is_logged_before_it_does(caplog, monkeypatch):
    monkeypatch.setattr("gateway.process.watchdog.LONG_SECONDS", 0.1)
    with caplog.at_level(logging.ERROR):
        run(lambda: wait(0.6))
    first = caplog.records[0].getMessage()
    assert first.startswith("event loop is stuck: seconds=")
    assert " at=wait (gateway/test_watchdog.py:" in first


def test_a_loop_that_turns_is_left_alone(caplog):
    assert run(*[lambda: None] * 5, seconds=0.5) == []
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
    gateway.wait_for_log("at=publish_and_block (gateway/with_stalls.py:")
    found = next(filter(None, map(STUCK.search, gateway.log.read_text().splitlines())))
    assert float(found[1]) >= 0.1
