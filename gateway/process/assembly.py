"""A worker's server, made of its parts as the settings want it."""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.http.client_address import TrustedProxies
from gateway.journal.writer import Journal, JournalError, JournalLocked
from gateway.limits.counters import Counters
from gateway.listeners.certificates import CertificateError, Certificates, pairs_of
from gateway.process.name import gateway_name, journal_name
from gateway.server import Server, ServerLimits
from gateway.start_error import StartError
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.debug_token import token_secret
from gateway.telemetry.debugging import Debugging
from gateway.telemetry.trace_store import TraceStore

if TYPE_CHECKING:
    from gateway.limits.redis_counters import RedisCounters
    from gateway.telemetry.tracing import Tracing

# A process that was killed holds its locks until the kernel has taken it apart.
LOCK_SECONDS = 2.0
POLL_SECONDS = 0.05


async def assemble(slot: int) -> Server:
    """With the counts of the worker before in this slot. Raises StartError."""
    from portal import settings

    try:
        proxies = TrustedProxies(settings.TRUSTED_PROXIES)
    except ValueError as error:
        raise StartError(f"TRUSTED_PROXIES: {error}.") from error
    limits = ServerLimits(
        head_bytes=settings.HEAD_LIMIT_BYTES,
        head_fields=settings.HEAD_LIMIT_FIELDS,
        head_seconds=settings.HEAD_TIMEOUT_SECONDS,
        body_bytes=settings.REQUEST_BODY_LIMIT_BYTES,
        body_seconds=settings.BODY_TIMEOUT_SECONDS,
        body_minimum_bytes_per_second=settings.BODY_MINIMUM_BYTES_PER_SECOND,
        idle_seconds=settings.IDLE_TIMEOUT_SECONDS,
        websocket_idle_seconds=settings.WEBSOCKET_IDLE_SECONDS,
        connections=settings.MAX_CONNECTIONS,
        backend_connect_seconds=settings.BACKEND_CONNECT_TIMEOUT_SECONDS,
        backend_seconds=settings.BACKEND_TIMEOUT_SECONDS,
        backend_idle_seconds=settings.BACKEND_IDLE_SECONDS,
        backend_idle_connections=settings.BACKEND_IDLE_CONNECTIONS,
    )
    certificates = _certificates(settings.GATEWAY_TLS_CERTIFICATES) if settings.GATEWAY_TLS_PORT else None
    counters = Counters()
    try:
        name = gateway_name(settings.JOURNAL_DIR, settings.GATEWAY_PORT)
        journal = await _journal(journal_name(name, slot), counters)
    except (JournalError, OSError) as error:
        raise StartError(f"the journal in {settings.JOURNAL_DIR} cannot be opened: {error}.") from error
    access_log = _access_log(settings.ACCESS_LOG)
    tracing = _tracing(settings.OTEL_EXPORTER_OTLP_ENDPOINT, settings.OTEL_TRACES_SAMPLER_ARG, name)
    shared_counters = (
        await _redis_counters(settings.REDIS_URL, counters) if settings.GATEWAY_COUNTERS == "redis" else None
    )
    debugging = Debugging(token_secret(settings.KEY_ENCRYPTION_KEY), TraceStore(settings.TRACES_DIR))
    return Server(
        name,
        limits,
        counters,
        journal,
        proxies,
        access_log,
        tracing,
        certificates,
        shared_counters,
        debugging,
        settings.GATEWAY_REGION,
    )


def _certificates(pairs: list[str]) -> Certificates:
    """Raises StartError."""
    if not pairs:
        raise StartError("GATEWAY_TLS_CERTIFICATES: name the files that GATEWAY_TLS_PORT needs.")
    try:
        return Certificates(pairs_of(pairs), time.time())
    except (ValueError, CertificateError) as error:
        raise StartError(f"GATEWAY_TLS_CERTIFICATES: {error}.") from error


async def _journal(name: str, counters: Counters) -> Journal:
    """Raises JournalError and OSError."""
    from portal import settings

    loop = asyncio.get_running_loop()
    end = loop.time() + LOCK_SECONDS
    while True:
        try:
            return Journal(
                settings.JOURNAL_DIR,
                name,
                counters,
                part_bytes=settings.JOURNAL_PART_BYTES,
                part_seconds=settings.JOURNAL_PART_SECONDS,
                fsync_seconds=settings.JOURNAL_FSYNC_SECONDS,
            )
        except JournalLocked:
            if loop.time() > end:
                raise
            await asyncio.sleep(POLL_SECONDS)


async def _redis_counters(url: str, local: Counters) -> "RedisCounters":
    """Raises StartError."""
    from gateway.limits.redis_connection import address_of
    from gateway.limits.redis_counters import RedisCounters
    from portal import settings

    try:
        address = address_of(url)
    except ValueError as error:
        raise StartError(f"REDIS_URL: {error}.") from error
    counters = RedisCounters(
        address,
        local,
        timeout_seconds=settings.COUNTERS_TIMEOUT_SECONDS,
        refuses_alone=settings.COUNTERS_DOWN == "refuse",
    )
    await counters.start()
    return counters


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
        from gateway.telemetry.tracing import Tracing
    except ImportError as error:
        raise StartError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: export of traces needs more packages: pip install -r requirements-otel.txt."
        ) from error
    return Tracing(endpoint, ratio, gateway)
