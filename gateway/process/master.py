"""The master: it holds the sockets that callers connect to, and keeps a worker serving on each set of them.

It reads nothing that a caller sent. SIGTERM and SIGINT stop the gateway, SIGHUP replaces its
workers one after another.
"""

import asyncio
import logging.config
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from gateway import tasks
from gateway.journal.lag import noted, waiting
from gateway.journal.parts import backlog
from gateway.limits.standing import SubscriptionLimits
from gateway.listeners.sockets import Address, Listening, listen
from gateway.log import logger
from gateway.process import management
from gateway.process.channel import Status, Stop
from gateway.process.slot import GRACE_SECONDS, Slot, end
from gateway.process.stand_in import stand_in
from gateway.process.worker_process import State, WorkerProcess
from gateway.start_error import StartError
from gateway.telemetry import report
from gateway.telemetry.report import Report
from portal.environment import SettingError


def main() -> int:
    try:
        asyncio.run(_serve())
    except (StartError, SettingError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve() -> None:
    """Raises StartError or SettingError."""
    from portal import settings

    logging.config.dictConfig(settings.LOGGING)
    if settings.GATEWAY_WORKERS > 1 and settings.GATEWAY_COUNTERS != "redis":
        raise StartError("GATEWAY_WORKERS: more than one need REDIS_URL, where they count calls together.")
    addresses = _addresses()
    master = Master(listen(addresses, settings.GATEWAY_WORKERS), settings.DRAIN_SECONDS, settings.JOURNAL_DIR)
    async with management.serving(master, settings.GATEWAY_MANAGEMENT_HOST, settings.GATEWAY_MANAGEMENT_PORT):
        await _run(master, [address.url for address in addresses])


async def _run(master: "Master", urls: Sequence[str]) -> None:
    """Until a signal ends it. Raises StartError."""
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    running = tasks.start(master.run(urls, reload), name="workers")
    stopped = tasks.start(stop.wait(), name="stop")
    await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
    for task in (running, stopped):
        task.cancel()
    # Where no worker lives, nothing else would let them end.
    await asyncio.wait([running, stopped])
    await master.stop()
    if not running.cancelled():
        running.result()


def _addresses() -> list[Address]:
    from portal import settings

    proxied = settings.GATEWAY_PROXY_PROTOCOL
    host, port = settings.GATEWAY_HOST, settings.GATEWAY_PORT
    addresses = [Address("http", host, port, "GATEWAY_HOST, GATEWAY_PORT", is_proxied=proxied == "all")]
    if settings.GATEWAY_TLS_PORT:
        host, port = settings.GATEWAY_TLS_HOST, settings.GATEWAY_TLS_PORT
        addresses.append(
            Address("https", host, port, "GATEWAY_TLS_HOST, GATEWAY_TLS_PORT", is_proxied=proxied != "off")
        )
    return addresses


class Master:
    """`workers` are all that live: those of the slots, and those that have handed over and finish their calls."""

    def __init__(self, sockets: Sequence[Sequence[Listening]], drain_seconds: float, journal: Path) -> None:
        self.workers: set[WorkerProcess] = set()
        self.is_stopping = False
        self.slots = [Slot(number, self._start, drain_seconds) for number in range(len(sockets))]
        self._sockets = sockets
        self._drain_seconds = drain_seconds
        self._journal = journal
        self._keepers: list[asyncio.Task[None]] = []
        self._past = Report()

    async def run(self, urls: Sequence[str], reload: asyncio.Event) -> None:
        """Raises StartError where a worker cannot begin to serve; from then on it does not end."""
        await asyncio.gather(*(slot.begin() for slot in self.slots))
        for slot, sockets in zip(self.slots, self._sockets, strict=True):
            self._keepers.append(tasks.start(slot.keep(), name=f"slot {slot.number}"))
            standing_in = stand_in(slot.number, sockets, slot.is_served)
            self._keepers.append(tasks.start(standing_in, name=f"stand-in for slot {slot.number}"))
        for url in urls:
            logger.info("Gateway: %s", url)
        while True:
            await reload.wait()
            reload.clear()
            replaced = [await slot.replace() for slot in self.slots]
            logger.info("workers replaced: %d of %d", sum(replaced), len(replaced))

    async def stop(self) -> None:
        """Let all workers end, within DRAIN_SECONDS."""
        self.is_stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        for sockets in self._sockets:
            for listening in sockets:
                listening.socket.close()
        for worker in self.workers:
            worker.tell(Stop())
        await asyncio.gather(*(end(worker, self._drain_seconds + GRACE_SECONDS) for worker in list(self.workers)))

    async def statuses(self) -> dict[WorkerProcess, Status | None]:
        """Of all workers that serve or finish their calls; None for those that do not answer in time."""
        workers = [worker for worker in self.workers if worker.state in (State.SERVING, State.HANDED_OVER)]
        return dict(zip(workers, await asyncio.gather(*(worker.status() for worker in workers)), strict=True))

    async def limits(self, subscriptions: Sequence[bytes]) -> dict[bytes, SubscriptionLimits] | None:
        """Where those of subscriptions stand; None where no worker says. Workers count together, so one is enough."""
        for slot in self.slots:
            if slot.worker is not None and (told := await slot.worker.limits(subscriptions)) is not None:
                return told
        return None

    def report(self, statuses: Mapping[WorkerProcess, Status | None]) -> Report:
        """What all workers counted, those that have ended included."""
        serving = {slot.worker for slot in self.slots}
        reports = [self._past]
        # Who has ended meanwhile is in the past already.
        alive = self.workers & statuses.keys()
        for worker in alive:
            told = _told(worker)
            reports.append(told if worker in serving else report.lasting(told))
        total = report.merged(reports)
        total.add("workers_silent", (), sum(statuses[worker] is None for worker in alive))
        total.add("worker_restarts", (), sum(slot.restarts for slot in self.slots))
        for metric, value in zip(("journal_parts", "journal_bytes"), backlog(self._journal), strict=True):
            total.add(metric, (), value)
        behind = waiting(self._journal, noted(self._journal))
        total.add("journal_uningested_bytes", (), behind.bytes)
        age = time.time() - behind.oldest if behind.oldest is not None else 0.0
        total.add("journal_uningested_seconds", (), max(age, 0.0))
        return total

    async def _start(self, number: int) -> WorkerProcess:
        worker = await WorkerProcess.start(number, self._sockets[number])
        self.workers.add(worker)
        tasks.start(self._bury(worker), name=f"end of worker {worker.pid}")
        return worker

    async def _bury(self, worker: WorkerProcess) -> None:
        await worker.ended()
        self.workers.discard(worker)
        self._past = report.merged([self._past, report.lasting(_told(worker))])


def _told(worker: WorkerProcess) -> Report:
    """What it told last; nothing where that cannot be read."""
    try:
        return Report() if worker.last_status is None else report.load(worker.last_status.metrics)
    except msgspec.MsgspecError:
        logger.exception("metrics of worker %d cannot be read", worker.slot)
        return Report()
