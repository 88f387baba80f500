"""Runs processes side by side: each line of output gets its process's name, one that ends is started again.

Honcho, whose Procfile format this reads, ends all processes when one ends; here the gateway must go
on when another process dies.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

KILL_SECONDS = 10
RESTART_SECONDS = 1.0
POLL_SECONDS = 0.1
LINE_LIMIT_BYTES = 2**20


async def run(
    commands: Mapping[str, str],
    environment: Mapping[str, str],
    when_started: Callable[[], Coroutine[Any, Any, bool]],
    *,
    kill_seconds: float = KILL_SECONDS,
) -> int:
    """Run the shell commands until SIGINT or SIGTERM; returns the exit code.

    `when_started` runs beside them; when it returns False all is ended with exit code 1. What does
    not end in `kill_seconds` is killed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    width = max(map(len, commands))
    async with asyncio.TaskGroup() as group:
        keepers = [
            group.create_task(_keep_running(name.ljust(width), command, environment, stop, kill_seconds), name=name)
            for name, command in commands.items()
        ]
        started = group.create_task(when_started(), name="when started")
        stopped = group.create_task(stop.wait(), name="stop")
        await asyncio.wait({started, stopped}, return_when=asyncio.FIRST_COMPLETED)
        failed = started.done() and not started.result()
        if failed:
            stop.set()
        await stopped
        started.cancel()
        await asyncio.wait(keepers)
    return 1 if failed else 0


async def _keep_running(
    name: str, command: str, environment: Mapping[str, str], stop: asyncio.Event, kill_seconds: float
) -> None:
    while not stop.is_set():
        process = await asyncio.create_subprocess_shell(
            f"exec {command}",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_LIMIT_BYTES,
            # A terminal's Ctrl+C reaches only this process, which then ends the others in order.
            start_new_session=True,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_relay(name, process), name=f"{name} output")
            ender = group.create_task(_end_on_stop(process, stop, kill_seconds), name=f"{name} end")
            code = await _exit_code(process)
            ender.cancel()
            # What it left behind would hold its port, and its output open.
            _signal_group(process, signal.SIGKILL)
        if not stop.is_set():
            _say(name, f"ended with exit code {code}; it is started again")
            # The wait is for what fails again and again; what ended in order is wanted back at once.
            if code != 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RESTART_SECONDS)


async def _exit_code(process: asyncio.subprocess.Process) -> int:
    """Wait for the process alone: `Process.wait` also waits for all who inherited its output."""
    while process.returncode is None:  # noqa: ASYNC110  # No event tells of the exit alone.
        await asyncio.sleep(POLL_SECONDS)
    return process.returncode


async def _relay(name: str, process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            line = b"(a line that is too long)\n"
        if not line:
            return
        _say(name, line.decode(errors="replace").rstrip("\n"))


async def _end_on_stop(process: asyncio.subprocess.Process, stop: asyncio.Event, kill_seconds: float) -> None:
    await stop.wait()
    _signal_group(process, signal.SIGTERM)
    await asyncio.sleep(kill_seconds)
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _say(name: str, line: str) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{name} | {line}\n")
        sys.stdout.flush()
