"""Counts of calls, their sum over workers, and what Prometheus reads of them."""

import re
from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from gateway.catalogue.labels import Labels
from gateway.journal.record import CallRecord
from gateway.telemetry import call_metrics, report
from gateway.telemetry.call_metrics import CallMetrics
from gateway.telemetry.exposition import exposition

LABELS = Labels({1: "orders", 2: "/"}, {10: "GET /{id}", 11: "POST /", 20: "GET /"}, {5: "starter"})


def record(
    api: int | None = 1,
    operation: int | None = 10,
    product: int | None = 5,
    code: int = 200,
    seconds: float = 0.003,
    backend_seconds: float | None = 0.002,
    error: tuple[str, str] = ("", ""),
) -> CallRecord:
    return CallRecord(
        1.0,
        b"id",
        api,
        operation,
        product,
        b"s" * 16,
        1,
        b"GET",
        b"/",
        "127.0.0.1",
        code,
        code,
        seconds,
        backend_seconds,
        100,
        1000,
        *error,
    )


def counted(*records: CallRecord, labels: Labels = LABELS) -> CallMetrics:
    metrics = CallMetrics()
    metrics.keep_to(labels)
    for one in records:
        metrics.count(one)
    return metrics


def scraped(*metrics: CallMetrics) -> dict[tuple[str, ...], float]:
    """By a sample's name and label values, in the order of the labels' names; samples of no calls are left out."""
    reports = [report.load(report.dump(one.report())) for one in metrics]
    text = exposition(report.merged(reports)).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        (
            sample.name.removeprefix("apim_gateway_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for sample in samples
        if sample.value
    }


@pytest.mark.parametrize(
    ("code", "status", "result"),
    [
        pytest.param(101, "1xx", "successful", id="a WebSocket"),
        pytest.param(200, "2xx", "successful", id="OK"),
        pytest.param(301, "3xx", "successful", id="moved"),
        pytest.param(302, "3xx", "other", id="found"),
        pytest.param(304, "3xx", "successful", id="not modified"),
        pytest.param(307, "3xx", "successful", id="temporary redirect"),
        pytest.param(400, "4xx", "failed", id="bad request"),
        pytest.param(401, "4xx", "blocked", id="no key"),
        pytest.param(403, "4xx", "blocked", id="quota"),
        pytest.param(404, "4xx", "other", id="not found"),
        pytest.param(429, "4xx", "blocked", id="rate"),
        pytest.param(500, "5xx", "failed", id="server error"),
        pytest.param(599, "5xx", "failed", id="the last of the server errors"),
        pytest.param(999, "9xx", "other", id="no status at all, from a backend"),
        pytest.param(0, "", "other", id="the caller left before the answer"),
    ],
)
def test_a_call_is_counted_by_status_class_and_azures_result(code, status, result):
    samples = scraped(counted(record(code=code)))
    assert samples["calls_total", "orders", "GET /{id}", "starter", result, status] == 1


def test_a_call_is_counted_with_its_times_and_sizes():
    samples = scraped(counted(record(seconds=0.3, backend_seconds=0.002), record(seconds=0.0025, backend_seconds=None)))
    assert samples["call_duration_seconds_bucket", "orders", "0.0025"] == 1
    assert samples["call_duration_seconds_bucket", "orders", "0.25"] == 1
    assert samples["call_duration_seconds_bucket", "orders", "0.5"] == 2
    assert samples["call_duration_seconds_count", "orders"] == 2
    assert samples["call_duration_seconds_sum", "orders"] == pytest.approx(0.3025)
    assert samples["backend_duration_seconds_count", "orders"] == 1
    assert samples["request_bytes_total", "orders"] == 200
    assert samples["response_bytes_total", "orders"] == 2000


def test_a_time_longer_than_all_buckets_is_counted():
    samples = scraped(counted(record(seconds=1e6)))
    assert ("call_duration_seconds_bucket", "orders", "60.0") not in samples
    assert samples["call_duration_seconds_bucket", "orders", "+Inf"] == 1


def test_a_failed_call_is_counted_by_its_cause():
    limited, unknown = ("rate-limit", "RateLimitExceeded"), ("configuration", "OperationNotFound")
    samples = scraped(
        counted(
            record(code=429, error=limited),
            record(code=429, error=limited),
            record(api=None, operation=None, product=None, code=404, error=unknown),
        )
    )
    assert samples["errors_total", "orders", "RateLimitExceeded", "rate-limit"] == 2
    assert samples["errors_total", "", "OperationNotFound", "configuration"] == 1
    assert samples["calls_total", "", "", "", "other", "4xx"] == 1


def test_workers_are_summed():
    samples = scraped(counted(record(), record(code=500)), counted(record()), counted())
    assert samples["calls_total", "orders", "GET /{id}", "starter", "successful", "2xx"] == 2
    assert samples["calls_total", "orders", "GET /{id}", "starter", "failed", "5xx"] == 1
    assert samples["call_duration_seconds_count", "orders"] == 3


def test_of_a_worker_of_a_later_version_only_what_is_known_lasts():
    told = report.Report(
        {"calls_of_tomorrow": {(): 1.0}, "limits_unverified_calls": {(): 2.0}, "workers_silent": {(): 3.0}}
    )
    assert report.lasting(told).values == {"limits_unverified_calls": {(): 2.0}}


def test_what_leaves_the_catalogue_takes_its_counts_along():
    metrics = counted(record(), record(api=2, operation=20, error=("quota", "QuotaExceeded")), record(operation=11))
    metrics.keep_to(Labels({1: "orders"}, {10: "GET /{id}"}, {}))
    assert {key[1] for key in scraped(metrics)} == {"orders"}
    metrics.count(record(api=2, operation=20))
    assert scraped(metrics)["calls_total", "", "", "", "successful", "2xx"] == 1


def test_a_renamed_operation_keeps_its_count():
    metrics = counted(record())
    metrics.keep_to(Labels(LABELS.apis, {10: "GET /{order}"}, LABELS.products))
    assert scraped(metrics)["calls_total", "orders", "GET /{order}", "starter", "successful", "2xx"] == 1


def test_two_operations_of_one_name_are_one_series():
    labels = Labels(LABELS.apis, {10: "GET /{id}", 11: "GET /{id}"}, LABELS.products)
    samples = scraped(counted(record(), record(operation=11), labels=labels))
    assert samples["calls_total", "orders", "GET /{id}", "starter", "successful", "2xx"] == 2


def test_a_name_cannot_break_the_text():
    hostile = 'a"b\\c\nd{} 1'
    samples = scraped(counted(record(), labels=Labels({1: hostile}, {10: hostile}, {5: hostile})))
    assert samples["calls_total", hostile, hostile, hostile, "successful", "2xx"] == 1


def test_series_past_the_bound_are_counted_together(monkeypatch):
    monkeypatch.setattr(call_metrics, "MAX_SERIES", 3)
    operations = {number: f"GET /{number}" for number in range(10)}
    calls = [record(operation=number) for number in range(10) for _ in range(2)]
    samples = scraped(counted(*calls, labels=Labels(LABELS.apis, operations, LABELS.products)))
    calls_of = {key[2]: value for key, value in samples.items() if key[0] == "calls_total"}
    assert calls_of == {"GET /0": 2, "GET /1": 2, "GET /2": 2, "other": 14}


def test_a_call_that_was_sent_again_is_counted_so():
    metrics = counted(record())
    metrics.count_retries(1, 2)
    metrics.count_retries(99, 1)
    assert scraped(metrics)["retries_total", "orders"] == 2
    assert scraped(metrics)["retries_total", ""] == 1


def test_calls_that_no_shared_counter_verified_are_counted():
    unverified = structs.replace(record(), limits_unverified=True)
    assert scraped(counted(unverified, record()), counted(unverified))["limits_unverified_calls_total",] == 2


def test_every_metric_has_its_place_in_the_documents():
    document = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|([^|]*)\|", document.partition("## Metrics")[2], re.MULTILINE)
    told = {name: re.findall(r"`(\w+)`", labels) for names, labels in rows for name in re.findall(r"`(\w+)`", names)}
    suffixes = {"counter": "_total", "gauge": "", "histogram": ""}
    expected = {name + suffixes[metric.kind]: list(metric.labels) for name, metric in report.METRICS.items()}
    assert {name: labels for name, labels in told.items() if name in expected} == expected
