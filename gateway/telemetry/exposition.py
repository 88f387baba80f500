"""A report in the text format that Prometheus reads. The only module that needs prometheus-client."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.telemetry.report import BOUNDS, METRICS, Histogram, Report

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
PREFIX: Final = "apim_gateway_"
_BUCKETS: Final = (*(str(bound) for bound in BOUNDS), "+Inf")


def exposition(report: Report) -> bytes:
    """Takes about 10 microseconds for each line."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(report))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        for name, metric in METRICS.items():
            if metric.kind == "histogram":
                yield self._histogram(name)
            else:
                make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = make(PREFIX + name, metric.help, labels=metric.labels)
                for labels, value in sorted(self._report.values.get(name, {}).items()):
                    family.add_metric(labels, value)
                yield family

    def _histogram(self, name: str) -> Metric:
        metric = METRICS[name]
        family = HistogramMetricFamily(PREFIX + name, metric.help, labels=metric.labels)
        for labels, histogram in sorted(self._report.histograms.get(name, {}).items(), key=lambda item: item[0]):
            family.add_metric(labels, _cumulated(histogram), histogram.sum)
        return family


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    return list(zip(_BUCKETS, accumulate(histogram.buckets), strict=True))
