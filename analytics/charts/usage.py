"""The charts of usage: calls by class, bytes, percentiles and means of times, cache hits."""

from collections.abc import Sequence
from dataclasses import replace

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics import latency
from analytics.charts.bars import stacked_bars
from analytics.charts.figure import Chart, Series, Slot
from analytics.charts.lines import lines
from analytics.reports.totals import SHARES, Total
from portal.units import BYTES, COUNT, MICROSECONDS, Unit

# From the axis upwards: what went wrong has the axis in common, and so can be compared.
CLASSES: dict[str, Promise] = {
    "failed": gettext_lazy("Failed"),
    "blocked": gettext_lazy("Blocked"),
    "other": gettext_lazy("Other"),
    "success": gettext_lazy("Successful"),
}


def calls_chart(totals: Sequence[Total], slots: Sequence[Slot]) -> SafeString:
    series = [
        _summed(COUNT, Series(str(label), name, [getattr(total, name) for total in totals]))
        for name, label in CLASSES.items()
    ]
    return stacked_bars(Chart("chart-calls", _("Calls"), COUNT, slots, series, total=_("Calls")))


def bandwidth_chart(totals: Sequence[Total], slots: Sequence[Slot]) -> SafeString:
    series = [
        Series(_("Received"), "received", [total.request_bytes for total in totals]),
        Series(_("Sent"), "sent", [total.response_bytes for total in totals]),
    ]
    chart = Chart(
        "chart-bandwidth",
        _("Bandwidth"),
        BYTES,
        slots,
        [_summed(BYTES, one) for one in series],
        total=_("Bandwidth"),
    )
    return stacked_bars(chart)


def percentiles_chart(times: Sequence[latency.Buckets], slots: Sequence[Slot]) -> SafeString:
    """Of the times that `reports.totals.latencies` gives."""
    series = [
        Series(percentile_name(share), f"p{share * 100:.0f}", [latency.quantile(buckets, share) for buckets in times])
        for share in SHARES
    ]
    return lines(Chart("chart-latency", _("Latency"), MICROSECONDS, slots, series))


def means_chart(totals: Sequence[Total], slots: Sequence[Slot]) -> SafeString:
    api = [total.total_sum / total.calls if total.calls else None for total in totals]
    service = [total.backend_sum / total.backend_calls if total.backend_calls else None for total in totals]
    series = [Series(_("API time"), "api", api), Series(_("Service time"), "service", service)]
    return lines(Chart("chart-means", _("API time and service time, on average"), MICROSECONDS, slots, series))


def cache_chart(totals: Sequence[Total], slots: Sequence[Slot]) -> SafeString:
    series = [
        Series(_("Cache hits"), "hits", [total.cache_hits for total in totals]),
        Series(_("Cache misses"), "misses", [total.cache_misses for total in totals]),
    ]
    chart = Chart("chart-cache", _("Cache"), COUNT, slots, [_summed(COUNT, one) for one in series])
    return stacked_bars(chart)


def percentile_name(share: float) -> str:
    """Such as p95."""
    return f"p{share * 100:.0f}"


def _summed(unit: Unit, series: Series) -> Series:
    return replace(series, summary=unit.exact(sum(value or 0 for value in series.values)))
