"""Runs the example web service: `python -m examples.azureml [--print-config]`."""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from examples.azureml.application import Backend, build
from examples.azureml.settings import Settings, read_settings
from portal.environment import SettingError

BACKLOG = 1024
POLL_SECONDS = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.azureml", description="The example AzureML web service.")
    parser.add_argument("--print-config", action="store_true", help="print address, keys and ids, then end")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = read_settings()
        if arguments.print_config:
            print(configuration(settings))
            return 0
        with only_instance(settings):
            refuse_used_port(settings)
            uvloop.run(serve(settings, build(settings)))
    except SettingError as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def configuration(settings: Settings) -> str:
    lines = {
        "Web service": settings.url,
        "Workspace": settings.workspace,
        "Service": settings.service,
        "API key": settings.api_key,
        "Storage": settings.connection_string,
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


@contextlib.contextmanager
def only_instance(settings: Settings) -> Iterator[None]:
    """Two processes on the same data would remove each other's files."""
    with (settings.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingError(f"DATA_DIR: another web service uses {settings.folder}") from error
        yield


def refuse_used_port(settings: Settings) -> None:
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        address, why = f"{settings.host}:{settings.port}", os.strerror(error.errno or 0)
        raise SettingError(f"AZUREML_PORT: {address} cannot be used ({why}); set another one.") from error


async def serve(settings: Settings, backend: Backend) -> None:
    """Answer until SIGINT or SIGTERM; jobs that run then begin anew at the next start."""
    server = Server(
        backend.application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_level=LogLevels.error,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(), name="server")
        await until_accepting(settings)
        # Jobs read from and write to this very server.
        backend.runner.start()
        write_down_storage(settings)
        print(f"AzureML web service ready: {settings.url}", flush=True)
        await stop.wait()
        await asyncio.to_thread(backend.runner.stop)
        server.stop()  # type: ignore[no-untyped-call]
        await serving


def write_down_storage(settings: Settings) -> None:
    """For client programs on this machine, which then need not be told the port."""
    file = settings.folder / "connection_string"
    file.touch(mode=0o600)
    file.write_text(f"{settings.connection_string}\n", encoding="ascii")


async def until_accepting(settings: Settings) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(settings.host, settings.port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
