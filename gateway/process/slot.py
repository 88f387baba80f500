"""One of the gateway's places for a worker: it keeps one serving there, whatever happens to it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway import tasks
from gateway.log import logger
from gateway.process.channel import Retire, Serve, Status
from gateway.process.worker_process import State, WorkerProcess
from gateway.start_error import StartError

# A snapshot of any size is loaded by then, and a journal of any length read.
START_SECONDS = 120.0
# Much longer than the hand-over takes; past that the worker before is stuck.
HAND_OVER_SECONDS = 10.0
# A worker that served for so long is replaced at once, however it ended.
STEADY_SECONDS = 10.0
# Past DRAIN_SECONDS, for a worker to notice that they are over.
GRACE_SECONDS = 5.0
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 10.0


class Slot:
    """`worker` is the one that serves, or is about to; None between one that died and the next.

    `failures` counts workers that died young, one after another; `restarts` all that ended by
    themselves. `keep` alone changes the worker.
    """

    def __init__(self, number: int, start: Callable[[int], Awaitable[WorkerProcess]], drain_seconds: float) -> None:
        """`start` starts a worker's process, and may raise OSError."""
        self.number = number
        self.worker: WorkerProcess | None = None
        self.failures = 0
        self.restarts = 0
        self._start = start
        self._drain_seconds = drain_seconds
        self._replacing: asyncio.Future[bool] | None = None
        self._is_to_replace = asyncio.Event()

    def is_served(self) -> bool:
        return self.worker is not None and self.worker.state is State.SERVING

    async def begin(self) -> None:
        """Start a worker. Raises StartError."""
        self.worker = await self._load()
        await self._serve(self.worker)

    async def keep(self) -> None:
        """Replace the worker when it ends, and when it is to be replaced. Runs until it is cancelled."""
        while True:
            try:
                await self._keep()
            except Exception:
                # A mistake here must not take the other workers along.
                logger.exception("worker %d is out of control", self.number)
                await asyncio.sleep(LONGEST_DELAY_SECONDS)

    async def replace(self) -> bool:
        """Whether a new worker serves; the one before ends after its last call. For one caller at a time."""
        self._replacing = asyncio.get_running_loop().create_future()
        self._is_to_replace.set()
        return await self._replacing

    async def status(self) -> Status | None:
        """Of the worker that serves; None where there is none, or it does not answer."""
        worker = self.worker
        status = await worker.status() if worker is not None else None
        if status is None and self.worker is not None and self.worker is not worker:
            # It was replaced meanwhile.
            status = await self.worker.status()
        return status

    async def _keep(self) -> None:
        worker = self.worker
        if worker is None:
            await self._begin_again()
        elif worker.state is State.ENDED:
            logger.error("worker %d ended: pid=%d exit_code=%s", self.number, worker.pid, worker.exit_code)
            self.failures = 0 if worker.seconds >= STEADY_SECONDS else self.failures + 1
            self.restarts += 1
            self.worker = None
        elif self._is_to_replace.is_set():
            self._is_to_replace.clear()
            is_done = False
            try:
                is_done = await self._replace(worker)
            finally:
                # Whatever went wrong, `replace` waits for the answer.
                if self._replacing is not None and not self._replacing.done():
                    self._replacing.set_result(is_done)
        else:
            await _first_of(worker.ended(), self._is_to_replace.wait())

    async def _begin_again(self) -> None:
        if self.failures:
            await asyncio.sleep(min(FIRST_DELAY_SECONDS * 2 ** (self.failures - 1), LONGEST_DELAY_SECONDS))
        try:
            await self.begin()
        except StartError as error:
            logger.error("worker %d cannot start: %s", self.number, error)
            self.failures += 1
            self.worker = None

    async def _replace(self, old: WorkerProcess) -> bool:
        try:
            fresh = await self._load()
        except StartError as error:
            logger.error("worker %d is not replaced: %s", self.number, error)
            return False
        old.tell(Retire())
        if not await old.reaches(State.HANDED_OVER, HAND_OVER_SECONDS):
            logger.error("worker %d did not hand over and is killed: pid=%d", self.number, old.pid)
            old.kill()
            await old.ended()
        self.worker = fresh
        tasks.start(end(old, self._drain_seconds + GRACE_SECONDS), name=f"end of worker {old.pid}")
        try:
            await self._serve(fresh)
        except StartError as error:
            logger.error("worker %d cannot start: %s", self.number, error)
            self.failures += 1
            self.worker = None
            return False
        return True

    async def _load(self) -> WorkerProcess:
        try:
            worker = await self._start(self.number)
        except OSError as error:
            raise StartError(f"its process cannot be made: {error.strerror or error}.") from error
        await self._require(worker, State.LOADED)
        return worker

    async def _serve(self, worker: WorkerProcess) -> None:
        worker.tell(Serve())
        await self._require(worker, State.SERVING)

    async def _require(self, worker: WorkerProcess, state: State) -> None:
        if not await worker.reaches(state, START_SECONDS):
            worker.kill()
            await worker.ended()
            raise StartError(worker.failure or f"worker {self.number} ended with exit code {worker.exit_code}.")


async def _first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    waiting = [tasks.start(coroutine, name="what happens first") for coroutine in coroutines]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def end(worker: WorkerProcess, seconds: float) -> None:
    """Wait for its end, and force it when the time is over."""
    if not await worker.reaches(State.ENDED, seconds):
        logger.error("a worker did not end in time and is killed: pid=%d", worker.pid)
        worker.kill()
        await worker.ended()
