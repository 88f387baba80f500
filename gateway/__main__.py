"""`python -m gateway`: the gateway process, from its start to the end of its last call."""

import asyncio
import errno
import gc
import logging.config
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from gateway.access_log import AccessLog
from gateway.client_address import TrustedProxies
from gateway.journal import Journal, JournalError
from gateway.key_digest import digest_secret
from gateway.limits import Counters
from gateway.log import logger
from gateway.name import gateway_name
from gateway.sealed import cipher
from gateway.server import Server, ServerLimits
from gateway.watch import Watch
from portal.environment import SettingError

if TYPE_CHECKING:
    from gateway.tracing import Tracing


class StartError(Exception):
    """The gateway cannot start; the text says why."""


def main() -> int:
    try:
        uvloop.run(_serve())
    except (StartError, SettingError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve() -> None:
    """Raises StartError or SettingError."""
    from portal import settings

    logging.config.dictConfig(settings.LOGGING)
    try:
        proxies = TrustedProxies(settings.TRUSTED_PROXIES)
    except ValueError as error:
        raise StartError(f"TRUSTED_PROXIES: {error}.") from error
    host, port = settings.GATEWAY_HOST, settings.GATEWAY_PORT
    limits = ServerLimits(
        head_bytes=settings.HEAD_LIMIT_BYTES,
        head_fields=settings.HEAD_LIMIT_FIELDS,
        head_seconds=settings.HEAD_TIMEOUT_SECONDS,
        body_bytes=settings.REQUEST_BODY_LIMIT_BYTES,
        body_seconds=settings.BODY_TIMEOUT_SECONDS,
        idle_seconds=settings.IDLE_TIMEOUT_SECONDS,
        websocket_idle_seconds=settings.WEBSOCKET_IDLE_SECONDS,
        connections=settings.MAX_CONNECTIONS,
        backend_connect_seconds=settings.BACKEND_CONNECT_TIMEOUT_SECONDS,
        backend_seconds=settings.BACKEND_TIMEOUT_SECONDS,
        backend_idle_seconds=settings.BACKEND_IDLE_SECONDS,
        backend_idle_connections=settings.BACKEND_IDLE_CONNECTIONS,
    )
    counters = Counters()
    try:
        name = gateway_name(settings.JOURNAL_DIR, port)
        journal = Journal(
            settings.JOURNAL_DIR,
            name,
            counters,
            part_bytes=settings.JOURNAL_PART_BYTES,
            part_seconds=settings.JOURNAL_PART_SECONDS,
            fsync_seconds=settings.JOURNAL_FSYNC_SECONDS,
        )
    except (JournalError, OSError) as error:
        raise StartError(f"the journal in {settings.JOURNAL_DIR} cannot be opened: {error}.") from error
    access_log = _access_log(settings.ACCESS_LOG)
    tracing = _tracing(settings.OTEL_EXPORTER_OTLP_ENDPOINT, settings.OTEL_TRACES_SAMPLER_ARG, name)
    server = Server(name, limits, counters, journal, proxies, access_log, tracing)
    key = settings.KEY_ENCRYPTION_KEY
    watch = Watch(settings.SNAPSHOT_FILE, digest_secret(key), cipher(key), server.publish)
    watch.look()
    stopping = _stop_signal()
    try:
        listening = await server.listen(host, port)
    except OSError as error:
        journal.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {os.strerror(error.errno or 0)}"
        raise StartError(f"{host}:{port} {reason} (GATEWAY_HOST, GATEWAY_PORT).") from error
    watch.start()
    # What is here now stays for good: the collector need not look through it again.
    gc.freeze()
    logger.info("Gateway: http://%s:%d", f"[{host}]" if ":" in host else host, port)
    await stopping.wait()
    logger.info("stopping: calls in flight have %g seconds", settings.DRAIN_SECONDS)
    listening.close()
    watch.stop()
    await server.drain(settings.DRAIN_SECONDS)


def _access_log(target: str) -> AccessLog | None:
    """Raises StartError."""
    if not target:
        return None
    try:
        return AccessLog(None if target == "-" else Path(target))
    except OSError as error:
        raise StartError(f"ACCESS_LOG: {target} cannot be written: {os.strerror(error.errno or 0)}.") from error


def _tracing(endpoint: str, ratio: float, gateway: str) -> "Tracing | None":
    """Raises StartError."""
    if not endpoint:
        return None
    try:
        from gateway.tracing import Tracing
    except ImportError as error:
        raise StartError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: export of traces needs more packages: pip install -r requirements-otel.txt."
        ) from error
    return Tracing(endpoint, ratio, gateway)


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


if __name__ == "__main__":
    sys.exit(main())
