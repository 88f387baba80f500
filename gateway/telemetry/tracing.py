"""Spans of calls for OpenTelemetry. Imported only where traces are exported: its packages are optional.

A span is made when its call has ended, and exported by a thread. Whatever becomes of the export, no
call waits for it: past OTEL_BSP_MAX_QUEUE_SIZE the oldest spans are dropped.
"""

import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.catalogue.labels import Labels
from gateway.http.trace_context import Trace
from gateway.journal.record import CallRecord

CLOSE_SECONDS: Final = 5.0
_SCOPE: Final = InstrumentationScope("gateway")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
# Semantic conventions for HTTP: any other method is `_OTHER`, so that callers cannot make up names.
_METHODS: Final = frozenset(
    (b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"QUERY", b"TRACE")
)

Attributes = dict[str, str | int]


class Tracing:
    """Exporter and queue are set by OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_*, OTEL_BSP_*."""

    def __init__(self, endpoint: str, ratio: float, gateway: str) -> None:
        """`endpoint` is the collector's base URL; `ratio` of the traces that begin here are sampled.

        Starts the thread that exports.
        """
        self.ratio = ratio
        self._made = 0
        self._exporter = _CountingExporter(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))
        self._processor = BatchSpanProcessor(self._exporter)
        ours = Resource({"service.name": "gateway", "service.instance.id": gateway})
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before it.
        self._resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())

    @property
    def spans(self) -> dict[str, int]:
        """How many by outcome. Those made that are neither exported nor failed wait, or were dropped."""
        return {"made": self._made, "exported": self._exporter.exported, "failed": self._exporter.failed}

    def end(self, trace: Trace, record: CallRecord, labels: Labels) -> None:
        """Hand over the span of a call that has ended."""
        if not trace.is_sampled:
            return
        self._made += 1
        trace_id = int(trace.trace_id, 16)
        parent = trace.parent
        start = int(record.at * 1e9)
        route = _route(record, labels)
        method = record.method.decode() if record.method in _METHODS else "HTTP"
        span = ReadableSpan(
            name=f"{method} {route}" if route else method,
            context=SpanContext(trace_id, int(trace.span_id, 16), is_remote=False, trace_flags=_SAMPLED),
            parent=None
            if parent is None
            else SpanContext(trace_id, int(parent.span_id, 16), is_remote=True, trace_flags=_SAMPLED),
            resource=self._resource,
            attributes=_attributes(record, route, trace.scheme),
            kind=SpanKind.SERVER,
            status=_ERROR if record.response_code >= 500 or not record.response_code else _UNSET,
            start_time=start,
            end_time=start + int(record.total_seconds * 1e9),
            instrumentation_scope=_SCOPE,
        )
        self._processor.on_end(span)

    def close(self) -> None:
        """Export what waits, for CLOSE_SECONDS at most."""
        closing = threading.Thread(target=self._processor.shutdown, name="close tracing", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class _CountingExporter(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.exported = self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            if result is SpanExportResult.SUCCESS:
                self.exported += len(spans)
            else:
                self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _route(record: CallRecord, labels: Labels) -> str:
    """The API's suffix and the path of the operation's template; empty where no operation was called."""
    if record.api is None or record.operation is None:
        return ""
    suffix = labels.apis.get(record.api, "/")
    template = labels.operations.get(record.operation, "").partition(" ")[2].partition("?")[0]
    return template if suffix == "/" else f"/{suffix}{template}"


def _attributes(record: CallRecord, route: str, scheme: bytes) -> Attributes:
    """Those of the semantic conventions for HTTP servers, and what the gateway knows beside them."""
    path, _, query = record.url.decode("ascii", "backslashreplace").partition("?")
    attributes: Attributes = {
        "http.request.method": record.method.decode() if record.method in _METHODS else "_OTHER",
        "url.scheme": scheme.decode(),
        "url.path": path,
        "client.address": record.caller_address,
        "http.request.size": record.request_bytes,
        "http.response.size": record.response_bytes,
        "apim.request.id": record.request_id.decode(),
    }
    if record.method not in _METHODS:
        attributes["http.request.method_original"] = record.method.decode()
    if query:
        attributes["url.query"] = query
    if route:
        attributes["http.route"] = route
    if record.response_code:
        attributes["http.response.status_code"] = record.response_code
    if record.response_code >= 500 or not record.response_code:
        attributes["error.type"] = record.error_reason or str(record.response_code)
    for name, number in (("api", record.api), ("operation", record.operation), ("product", record.product)):
        if number is not None:
            attributes[f"apim.{name}.id"] = number
    if record.subscription is not None:
        attributes["apim.subscription.id"] = record.subscription.hex()
    if record.error_reason:
        attributes["apim.error.source"] = record.error_source
        attributes["apim.error.reason"] = record.error_reason
    return attributes
