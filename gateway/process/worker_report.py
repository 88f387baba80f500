"""What one worker tells of itself when it is asked: its counts of calls, and what it holds now."""

import os
import resource
import time
from typing import TYPE_CHECKING

from gateway import server as serving
from gateway.telemetry.report import Report

if TYPE_CHECKING:
    from gateway.catalogue.watch import Watch
    from gateway.server import Server

_STARTED_AT = time.time()


def worker_report(server: "Server", watch: "Watch", worker: str) -> Report:
    """`worker` tells it from its siblings, and is the same after a restart. For the event loop's thread."""
    report = server.metrics.report()
    for metric, value in {**_connections(server), **_journal(server), **_snapshot(watch), **_process()}.items():
        report.add(metric, (worker,), value)
    if server.access_log is not None:
        report.add("access_log_dropped_lines", (worker,), server.access_log.dropped)
    if server.tracing is not None:
        for outcome, spans in server.tracing.spans.items():
            report.add("spans", (worker, outcome), spans)
    for kind, size in zip(("rate", "quota"), server.counters.sizes, strict=True):
        report.add("limit_counters", (worker, kind), size)
    if server.shared_counters is not None:
        report.add("redis_up", (worker,), server.shared_counters.is_up)
    _add_backends(report, server)
    for certificate in server.certificates.certificates if server.certificates is not None else ():
        labels = (worker, str(certificate.pair.certificate))
        report.add("certificate_expires_timestamp_seconds", labels, certificate.expires)
    return report


def _connections(server: "Server") -> dict[str, float]:
    return {
        "caller_connections": server.connections,
        "caller_connections_refused": server.connections_refused,
        "loop_stalls": server.stalls,
        "loop_stall_seconds": server.stall_seconds,
    }


def _add_backends(report: Report, server: "Server") -> None:
    for upstream in server.upstreams:
        state = "busy" if upstream.is_busy else "idle"
        report.add("backend_connections", (upstream.backend.host_header.decode(), state), 1)
    for connections in server.pool.connections.values():
        if connections.most_open is not None:
            report.add("backend_waiting_calls", (connections.host,), len(connections.waiting))
    names = server.catalogue.backends.rows if server.catalogue is not None else {}
    for backend, circuit in server.circuits.by_backend.items():
        if backend in names:
            report.add("circuits_open", (names[backend].name,), circuit.open_until > 0)


def _journal(server: "Server") -> dict[str, float]:
    journal = server.journal
    return {
        "journal_waiting_bytes": journal.waiting_bytes,
        "journal_unsynced_bytes": journal.unsynced_bytes,
        "journal_dropped_records": journal.dropped,
    }


def _snapshot(watch: "Watch") -> dict[str, float]:
    loaded = {} if watch.loaded_at is None else {"snapshot_loaded_timestamp_seconds": watch.loaded_at}
    return {
        "snapshot_revision": watch.revision,
        "snapshot_refused": bool(watch.last_error),
        **loaded,
    }


def _process() -> dict[str, float]:
    """Of this process. Linux tells memory and descriptors in /proc; where it does not, they are left out."""
    values: dict[str, float] = {
        "process_cpu_seconds": time.process_time(),
        "process_max_fds": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "process_start_time_seconds": _STARTED_AT,
        "worker_compiled": not str(serving.__file__).endswith(".py"),
    }
    try:
        values["process_open_fds"] = len(os.listdir("/proc/self/fd"))
        with open("/proc/self/statm", encoding="ascii") as statm:
            values["process_resident_memory_bytes"] = int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        pass
    return values
