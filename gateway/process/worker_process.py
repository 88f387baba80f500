"""A worker as the master sees it: its process, and how far it has got."""

import asyncio
import enum
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Self

import msgspec

from gateway import tasks
from gateway.limits.standing import SubscriptionLimits
from gateway.listeners.sockets import Listener, Listening
from gateway.process.channel import (
    Ask,
    AskLimits,
    Channel,
    Failed,
    HandedOver,
    Limits,
    Loaded,
    Order,
    Serving,
    Status,
)
from gateway.process.compiled import compiled_folder, environment

PROGRAM = "gateway.process.worker"
STATUS_SECONDS = 1.0
# A worker ends right after it has closed its channel.
END_SECONDS = 10.0


class State(enum.IntEnum):
    STARTED = 0
    LOADED = 1
    SERVING = 2
    HANDED_OVER = 3
    ENDED = 4


class Assignment(msgspec.Struct, frozen=True):
    """What a worker is started with, as JSON: its slot, the descriptors of its channel and its listeners."""

    slot: int
    channel: int
    listeners: tuple[Listener, ...]


class WorkerProcess:
    """`failure` is why it says that it cannot serve. `last_status` is the last that it told, None before."""

    def __init__(self, slot: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.slot = slot
        self.pid = process.pid
        self.state = State.STARTED
        self.failure = ""
        self.last_status: Status | None = None
        self._started_at = asyncio.get_running_loop().time()
        self._process = process
        self._channel = channel
        self._reached = {state: asyncio.Event() for state in State}
        self._asked: asyncio.Future[Status | None] | None = None
        self._asked_limits: dict[int, asyncio.Future[dict[bytes, SubscriptionLimits] | None]] = {}
        self._numbers = count()
        tasks.start(self._hear(), name=f"channel of worker {slot}")

    @classmethod
    async def start(cls, slot: int, sockets: Sequence[Listening]) -> Self:
        """A fresh interpreter, so that it runs the code and the packages that are installed now. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                channel = await Channel.open(ours)
            except BaseException:
                ours.close()
                raise
            assignment = Assignment(slot, theirs.fileno(), tuple(one.listener for one in sockets))
            compiled = compiled_folder()
            options = [f"-W{option}" for option in sys.warnoptions]
            command = [sys.executable, *options, *(("-P",) if compiled is not None else ()), "-m", PROGRAM]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    msgspec.json.encode(assignment).decode(),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=environment(compiled),
                    pass_fds=[theirs.fileno(), *(one.socket.fileno() for one in sockets)],
                )
            except BaseException:
                channel.close()
                raise
        return cls(slot, process, channel)

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def seconds(self) -> float:
        """Since its start."""
        return asyncio.get_running_loop().time() - self._started_at

    def tell(self, order: Order) -> None:
        self._channel.send(order)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def reaches(self, state: State, seconds: float) -> bool:
        """Whether it gets so far; False where it ends before, or takes longer."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._reached[state].wait(), seconds)
        return self._reached[state].is_set() and (self.state is not State.ENDED or state is State.ENDED)

    async def ended(self) -> None:
        await self._reached[State.ENDED].wait()

    async def status(self) -> Status | None:
        """How it does now; None where it does not say in time. However many ask, it is asked once."""
        if not await self.reaches(State.SERVING, STATUS_SECONDS):
            return None
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
            self._channel.send(Ask())
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._asked), STATUS_SECONDS)
        return None

    async def limits(self, subscriptions: Sequence[bytes]) -> dict[bytes, SubscriptionLimits] | None:
        """Where those of subscriptions stand now; None where it does not say in time."""
        if not await self.reaches(State.SERVING, STATUS_SECONDS):
            return None
        number = next(self._numbers)
        asked = self._asked_limits[number] = asyncio.get_running_loop().create_future()
        self._channel.send(AskLimits(number, tuple(subscriptions)))
        try:
            with suppress(TimeoutError):
                return await asyncio.wait_for(asked, STATUS_SECONDS)
            return None
        finally:
            self._asked_limits.pop(number, None)

    async def _hear(self) -> None:
        while (news := await self._channel.receive()) is not None:
            match news:
                case Loaded():
                    self._reach(State.LOADED)
                case Serving():
                    self._reach(State.SERVING)
                case HandedOver():
                    self._reach(State.HANDED_OVER)
                case Failed(reason):
                    self.failure = reason
                case Status():
                    self.last_status = news
                    self._answer(news)
                case Limits(number, of):
                    self._answer_limits(number, of)
        try:
            await asyncio.wait_for(self._process.wait(), END_SECONDS)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._channel.close()
        for state in State:
            self._reach(state)
        self._answer(None)
        for number in list(self._asked_limits):
            self._answer_limits(number, None)

    def _reach(self, state: State) -> None:
        self.state = state
        self._reached[state].set()

    def _answer(self, status: Status | None) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.set_result(status)

    def _answer_limits(self, number: int, of: dict[bytes, SubscriptionLimits] | None) -> None:
        """Who asked may have given up waiting."""
        asked = self._asked_limits.pop(number, None)
        if asked is not None and not asked.done():
            asked.set_result(of)
