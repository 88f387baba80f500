"""What a gateway process tells of itself, and the sum of what several tell.

A value belongs to a metric of `METRICS` and has one label value for each of its label names. What
is a worker's own has a label `worker`; everything else is summed over the workers.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

# Upper bounds in seconds, for times of calls; one bucket more is for what takes longer.
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

LabelValues = tuple[str, ...]


class Metric(msgspec.Struct, frozen=True):
    kind: Literal["counter", "gauge", "histogram"]
    labels: LabelValues
    help: str


class Histogram(msgspec.Struct, array_like=True):
    """`buckets` are not cumulated; the last one has no bound."""

    buckets: list[int]
    sum: float


class Report(msgspec.Struct, array_like=True):
    values: dict[str, dict[LabelValues, float]] = {}
    histograms: dict[str, dict[LabelValues, Histogram]] = {}

    def add(self, metric: str, labels: LabelValues, value: float) -> None:
        values = self.values.setdefault(metric, {})
        values[labels] = values.get(labels, 0) + value

    def add_histogram(self, metric: str, labels: LabelValues, histogram: Histogram) -> None:
        histograms = self.histograms.setdefault(metric, {})
        known = histograms.get(labels)
        if known is not None:
            buckets = [one + other for one, other in zip(known.buckets, histogram.buckets, strict=True)]
            histogram = Histogram(buckets, known.sum + histogram.sum)
        histograms[labels] = histogram


METRICS: Final[dict[str, Metric]] = {
    "calls": Metric(
        "counter",
        ("api", "operation", "product", "status", "result"),
        "Calls, by class of the status and by the result as Azure's reports count it.",
    ),
    "errors": Metric(
        "counter", ("api", "source", "reason"), "Calls that the gateway refused or that failed, by LastError."
    ),
    "call_duration_seconds": Metric("histogram", ("api",), "From the request's head to the answer's end."),
    "backend_duration_seconds": Metric("histogram", ("api",), "From the request to the backend to its answer's end."),
    "request_bytes": Metric("counter", ("api",), "Heads and bodies received from callers."),
    "response_bytes": Metric("counter", ("api",), "Answers sent to callers."),
    "retries": Metric("counter", ("api",), "Times that a call was sent to a backend once more."),
    "caller_connections": Metric("gauge", ("worker",), "Open connections of callers."),
    "caller_connections_refused": Metric("counter", ("worker",), "Connections past MAX_CONNECTIONS."),
    "backend_connections": Metric("gauge", ("backend", "state"), "Open connections to backends, busy or idle."),
    "backend_waiting_calls": Metric(
        "gauge", ("host",), "Calls that wait for one of the connections a backend may have."
    ),
    "circuits_open": Metric("gauge", ("backend",), "Workers in which the backend's circuit is open, or on trial."),
    "limit_counters": Metric("gauge", ("worker", "kind"), "Rate and quota counters held in memory."),
    "redis_up": Metric("gauge", ("worker",), "1 while limits are counted in Redis, 0 while it is away."),
    "limits_unverified_calls": Metric(
        "counter", (), "Calls that passed without Redis, by the counts of one worker alone."
    ),
    "journal_waiting_bytes": Metric("gauge", ("worker",), "Records that the disk has not taken yet."),
    "journal_unsynced_bytes": Metric("gauge", ("worker",), "Records written, which a power failure could take."),
    "journal_dropped_records": Metric("counter", ("worker",), "Records lost because the disk took none for too long."),
    "journal_parts": Metric("gauge", (), "Files of the journal that are not ingested, those being written included."),
    "journal_bytes": Metric("gauge", (), "Their size."),
    "journal_uningested_bytes": Metric("gauge", (), "What of them the worker has not taken into the database."),
    "journal_uningested_seconds": Metric("gauge", (), "Age of the oldest call in there; 0 where there is none."),
    "access_log_dropped_lines": Metric("counter", ("worker",), "Lines lost because nothing took them for too long."),
    "spans": Metric("counter", ("worker", "outcome"), "Spans made; those not exported or failed wait or were dropped."),
    "snapshot_revision": Metric("gauge", ("worker",), "Revision of the configuration in use; 0 where there is none."),
    "snapshot_loaded_timestamp_seconds": Metric("gauge", ("worker",), "When it was taken into use."),
    "snapshot_refused": Metric("gauge", ("worker",), "1 while the newest snapshot file cannot be used."),
    "certificate_expires_timestamp_seconds": Metric(
        "gauge", ("worker", "certificate"), "When the certificate in use, by its file, expires."
    ),
    "loop_stalls": Metric("counter", ("worker",), "Times that the event loop was stuck for STALL_LOG_SECONDS."),
    "loop_stall_seconds": Metric("counter", ("worker",), "For how long it was stuck then."),
    "workers_silent": Metric("gauge", (), "Workers that do not answer; their counts are those of their last answer."),
    "worker_restarts": Metric("counter", (), "Workers that ended by themselves."),
    "process_cpu_seconds": Metric("counter", ("worker",), "User and system CPU time."),
    "worker_compiled": Metric("gauge", ("worker",), "1 where it runs what `make compiled` has made."),
    "process_resident_memory_bytes": Metric("gauge", ("worker",), "Resident memory."),
    "process_open_fds": Metric("gauge", ("worker",), "Open file descriptors."),
    "process_max_fds": Metric("gauge", ("worker",), "The most that may be open."),
    "process_start_time_seconds": Metric("gauge", ("worker",), "When the process began, in Unix time."),
}


def merged(reports: Iterable[Report]) -> Report:
    total = Report()
    for report in reports:
        for metric, values in report.values.items():
            for labels, value in values.items():
                total.add(metric, labels, value)
        for metric, histograms in report.histograms.items():
            for labels, histogram in histograms.items():
                total.add_histogram(metric, labels, histogram)
    return total


def lasting(report: Report) -> Report:
    """What still counts when the worker has ended: sums over all workers that must never go down."""
    return Report(
        {name: values for name, values in report.values.items() if name in _LASTING},
        {name: values for name, values in report.histograms.items() if name in _LASTING},
    )


# A worker may be of a later version than the master, and tell more than these.
_LASTING: Final = frozenset(
    name for name, metric in METRICS.items() if metric.kind != "gauge" and "worker" not in metric.labels
)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Report)


def dump(report: Report) -> bytes:
    return _encoder.encode(report)


def load(data: bytes) -> Report:
    """Raises msgspec.MsgspecError."""
    return _decoder.decode(data)
