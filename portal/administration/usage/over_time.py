"""What the charts show, as a table for programs and spreadsheets."""

from collections.abc import Sequence
from typing import Any

from analytics import latency
from analytics.export import Column, Kind, Table
from analytics.periods import Span
from analytics.picker import Choice
from analytics.reports.totals import SHARES, Total

COLUMNS = (
    Column("from", Kind.MOMENT),
    Column("to", Kind.MOMENT),
    *(Column(name, Kind.INTEGER) for name in ("calls", "successful", "blocked", "failed", "other")),
    *(Column(f"latency_p{share * 100:.0f}_ms", Kind.REAL) for share in SHARES),
    Column("api_time_mean_ms", Kind.REAL),
    Column("service_time_mean_ms", Kind.REAL),
    *(Column(name, Kind.INTEGER) for name in ("request_bytes", "response_bytes", "cache_hits", "cache_misses")),
)


def over_time(choice: Choice, totals: Sequence[Total], times: Sequence[latency.Buckets]) -> Table:
    """A row for each bar of the charts, in the viewer's time zone."""
    found = (
        _row(Span(bucket.start.astimezone(choice.zone), bucket.end.astimezone(choice.zone)), total, distribution)
        for bucket, total, distribution in zip(choice.buckets, totals, times, strict=True)
    )
    return Table(f"usage-from-{choice.span.start.astimezone(choice.zone):%Y-%m-%d}", COLUMNS, found)


def _row(bucket: Span, total: Total, times: latency.Buckets) -> list[Any]:
    return [
        bucket.start,
        bucket.end,
        total.calls,
        total.success,
        total.blocked,
        total.failed,
        total.other,
        *(_milliseconds(latency.quantile(times, share)) for share in SHARES),
        _milliseconds(total.total_sum / total.calls) if total.calls else None,
        _milliseconds(total.backend_sum / total.backend_calls) if total.backend_calls else None,
        total.request_bytes,
        total.response_bytes,
        total.cache_hits,
        total.cache_misses,
    ]


def _milliseconds(microseconds: float | None) -> float | None:
    return round(microseconds / 1000, 3) if microseconds is not None else None
