"""`python -m gateway.process.worker ASSIGNMENT`: the process that serves callers. The master starts it.

It ends when the master says so, or is gone. Signals are the master's business: whoever manages
processes sends them to all at once, and workers are to be replaced and stopped in order.
"""

import asyncio
import gc
import logging.config
import os
import resource
import signal
import socket
import sys

import msgspec
import uvloop

from gateway import tasks
from gateway.catalogue.routing import Catalogue
from gateway.catalogue.watch import Watch
from gateway.configuration.key_digest import digest_secret
from gateway.configuration.sealed import cipher
from gateway.log import logger
from gateway.process.assembly import assemble
from gateway.process.channel import (
    Ask,
    AskLimits,
    Channel,
    Failed,
    HandedOver,
    Limits,
    Loaded,
    Retire,
    Serve,
    Serving,
    Status,
    Stop,
)
from gateway.process.watchdog import Watchdog
from gateway.process.worker_limits import worker_limits
from gateway.process.worker_process import Assignment
from gateway.process.worker_report import worker_report
from gateway.server import Server
from gateway.start_error import StartError
from gateway.telemetry import report
from portal.environment import SettingError


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        return uvloop.run(_work(msgspec.json.decode(sys.argv[1], type=Assignment)))
    except SettingError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1


async def _work(assignment: Assignment) -> int:
    """Returns the exit code. Raises SettingError."""
    from portal import settings

    logging.config.dictConfig(settings.LOGGING)
    for descriptor in (assignment.channel, *(listener.descriptor for listener in assignment.listeners)):
        os.set_inheritable(descriptor, False)
    channel = await Channel.open(socket.socket(fileno=assignment.channel))
    try:
        await Worker(assignment, channel).work()
        return 0
    except StartError as error:
        channel.send(Failed(str(error)))
        return 1
    finally:
        await channel.flush()
        channel.close()


class Worker:
    def __init__(self, assignment: Assignment, channel: Channel) -> None:
        from portal import settings

        self._assignment = assignment
        self._channel = channel
        self._stall_seconds = settings.STALL_LOG_SECONDS
        self._drain_seconds = settings.DRAIN_SECONDS
        key = settings.KEY_ENCRYPTION_KEY
        self._watch = Watch(settings.SNAPSHOT_FILE, digest_secret(key), cipher(key), self._publish)
        self._catalogue: Catalogue | None = None
        self._server: Server | None = None
        self._is_to_end = asyncio.Event()
        self._is_to_hand_over = False

    async def work(self) -> None:
        """From the start to the end of the last call. Raises StartError."""
        self._watch.look()
        self._watch.start()
        self._channel.send(Loaded())
        if not isinstance(await self._channel.receive(), Serve):
            return
        server = self._server = await assemble(self._assignment.slot)
        if self._catalogue is not None:
            server.publish(self._catalogue)
        await server.listen(self._assignment.listeners)
        watchdog = Watchdog(self._stall_seconds, server.count_stall)
        watchdog.start()
        # What is here now stays for good: the collector need not look through it again.
        gc.freeze()
        self._channel.send(Serving())
        tasks.start(self._obey(server), name="orders")
        await self._is_to_end.wait()
        if self._is_to_hand_over:
            await server.hand_over()
            self._channel.send(HandedOver())
            logger.info("handed over: calls in flight have %g seconds", self._drain_seconds)
            await server.finish_calls(self._drain_seconds)
        else:
            logger.info("stopping: calls in flight have %g seconds", self._drain_seconds)
            await server.drain(self._drain_seconds)
        self._watch.stop()
        watchdog.stop()
        self._channel.send(self.status(server))

    def _publish(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        if self._server is not None:
            self._server.publish(catalogue)

    def status(self, server: Server) -> Status:
        return Status(
            pid=os.getpid(),
            revision=None if server.catalogue is None else self._watch.revision,
            connections=server.connections,
            metrics=report.dump(worker_report(server, self._watch, str(self._assignment.slot))),
        )

    async def _obey(self, server: Server) -> None:
        """Until the master is gone."""
        try:
            while (order := await self._channel.receive()) is not None:
                match order:
                    case Ask():
                        self._tell(server)
                    case AskLimits():
                        tasks.start(self._tell_limits(server, order), name="limits")
                    case Retire():
                        self._is_to_hand_over = True
                        self._is_to_end.set()
                    case Stop():
                        self._is_to_end.set()
        finally:
            self._is_to_end.set()

    def _tell(self, server: Server) -> None:
        try:
            self._channel.send(self.status(server))
        except Exception:
            # A number that cannot be told must not make the worker deaf to what comes next.
            logger.exception("the worker could not tell how it does")

    async def _tell_limits(self, server: Server, asked: AskLimits) -> None:
        try:
            self._channel.send(Limits(asked.number, await worker_limits(server, asked.subscriptions)))
        except Exception:
            # The master waits for a second, and then does without.
            logger.exception("the worker could not tell where limits stand")


if __name__ == "__main__":
    sys.exit(main())
