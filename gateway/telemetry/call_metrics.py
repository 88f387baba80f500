"""Counts of calls, for Prometheus: half a microsecond for each call, and memory that no caller can make grow.

Counted by the ids of the catalogue in use; what leaves it takes its counts along. Calls past
MAX_SERIES combinations of labels are counted together, as `other`.
"""

from bisect import bisect_left
from typing import Final

from gateway.catalogue.labels import Labels
from gateway.journal.record import CallRecord
from gateway.telemetry.report import BOUNDS, Histogram, Report

MAX_SERIES: Final = 10_000
OTHER: Final = "other"
_OTHER_KEY: Final = (-1, -1, -1, 0)

_Key = tuple[int | None, int | None, int | None, int]
_ErrorKey = tuple[int | None, str, str]


def _result(code: int) -> str:
    """The class in which Azure's reports count a call (Reports - List by API: callCountSuccess and so on)."""
    if 100 <= code <= 301 or code in (304, 307):
        return "successful"
    if code in (401, 403, 429):
        return "blocked"
    return "failed" if code == 400 or 500 <= code <= 599 else "other"


def _outcomes() -> tuple[tuple[int, ...], tuple[tuple[str, str], ...]]:
    """For each status code the number of its outcome, and for each outcome its labels; 0 is a call without answer."""
    labels = [(f"{code // 100}xx" if code else "", _result(code)) for code in range(1000)]
    distinct = tuple(dict.fromkeys(labels))
    return tuple(distinct.index(label) for label in labels), distinct


_OUTCOME_OF_CODE, _OUTCOMES = _outcomes()


class _APICounts:
    """Of all calls to one API. A bucket counts what is not above its bound, and above the one before."""

    __slots__ = ("backend", "backend_seconds", "request_bytes", "response_bytes", "total", "total_seconds")

    def __init__(self) -> None:
        self.total = [0] * (len(BOUNDS) + 1)
        self.backend = [0] * (len(BOUNDS) + 1)
        self.total_seconds = self.backend_seconds = 0.0
        self.request_bytes = self.response_bytes = 0


class _Series:
    __slots__ = ("api", "calls")

    def __init__(self, api: _APICounts) -> None:
        self.calls = 0
        self.api = api


class CallMetrics:
    """For the event loop's thread."""

    def __init__(self) -> None:
        self._labels = Labels()
        self._series: dict[_Key, _Series] = {}
        self._apis: dict[int | None, _APICounts] = {}
        self._errors: dict[_ErrorKey, int] = {}
        self._retries: dict[int | None, int] = {}
        self._unverified = 0

    def count(self, record: CallRecord) -> None:
        key = (record.api, record.operation, record.product, _OUTCOME_OF_CODE[record.response_code])
        series = self._series.get(key)
        if series is None:
            series = self._series_of(*key)
        series.calls += 1
        api = series.api
        seconds = record.total_seconds
        api.total_seconds += seconds
        api.total[bisect_left(BOUNDS, seconds)] += 1
        backend_seconds = record.backend_seconds
        if backend_seconds is not None:
            api.backend_seconds += backend_seconds
            api.backend[bisect_left(BOUNDS, backend_seconds)] += 1
        api.request_bytes += record.request_bytes
        api.response_bytes += record.response_bytes
        if record.error_reason:
            self._count_error(record)
        if record.limits_unverified:
            self._unverified += 1

    def count_retries(self, api: int | None, retries: int) -> None:
        """Of a call that was sent more than once."""
        known = api if api in self._labels.apis else None
        self._retries[known] = self._retries.get(known, 0) + retries

    def keep_to(self, labels: Labels) -> None:
        """Count by these from now on, and forget what is not among them."""
        self._labels = labels
        self._series = {key: series for key, series in self._series.items() if key == self._known(*key)}
        self._apis = {api: counts for api, counts in self._apis.items() if api in labels.apis or api in (None, -1)}
        self._errors = {key: calls for key, calls in self._errors.items() if key[0] in labels.apis or key[0] is None}
        self._retries = {api: calls for api, calls in self._retries.items() if api in labels.apis or api is None}

    def report(self) -> Report:
        """Everything counted since the start, by labels."""
        report = Report()
        for (api, operation, product, outcome), series in self._series.items():
            names = (self._api(api), self._operation(operation), self._product(product), *_OUTCOMES[outcome])
            report.add("calls", names, series.calls)
        for api, counts in self._apis.items():
            name = (self._api(api),)
            report.add_histogram("call_duration_seconds", name, Histogram(counts.total[:], counts.total_seconds))
            report.add_histogram("backend_duration_seconds", name, Histogram(counts.backend[:], counts.backend_seconds))
            report.add("request_bytes", name, counts.request_bytes)
            report.add("response_bytes", name, counts.response_bytes)
        for (api, source, reason), calls in self._errors.items():
            report.add("errors", (self._api(api), source, reason), calls)
        for api, retries in self._retries.items():
            report.add("retries", (self._api(api),), retries)
        report.add("limits_unverified_calls", (), self._unverified)
        return report

    def _series_of(self, api: int | None, operation: int | None, product: int | None, outcome: int) -> _Series:
        key = self._known(api, operation, product, outcome)
        if key not in self._series and len(self._series) >= MAX_SERIES:
            key = _OTHER_KEY
        if key not in self._series:
            self._series[key] = _Series(self._apis.setdefault(key[0], _APICounts()))
        return self._series[key]

    def _known(self, api: int | None, operation: int | None, product: int | None, outcome: int) -> _Key:
        """The key without ids that are not in the catalogue: those of calls that began before they left it."""
        labels = self._labels
        if api == _OTHER_KEY[0]:
            return _OTHER_KEY
        return (
            api if api in labels.apis else None,
            operation if operation in labels.operations else None,
            product if product in labels.products else None,
            outcome,
        )

    def _count_error(self, record: CallRecord) -> None:
        api = record.api if record.api in self._labels.apis else None
        key = (api, record.error_source, record.error_reason)
        if key not in self._errors and len(self._errors) >= MAX_SERIES:
            key = (None, OTHER, OTHER)
        self._errors[key] = self._errors.get(key, 0) + 1

    def _api(self, api: int | None) -> str:
        return _name(self._labels.apis, api)

    def _operation(self, operation: int | None) -> str:
        return _name(self._labels.operations, operation)

    def _product(self, product: int | None) -> str:
        return _name(self._labels.products, product)


def _name(names: dict[int, str], number: int | None) -> str:
    return "" if number is None else names.get(number, OTHER)
