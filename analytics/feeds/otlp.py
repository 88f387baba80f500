"""Calls as OpenTelemetry log records, by OTLP over HTTP (protobuf). Its packages are optional.

Each record has the call's request id as `log.record.uid`: what the collector gets a second time, after an
answer that did not arrive, it can tell. A collector that is away is asked again, after longer and longer
rests; what it says that it will never take is left out and logged.
"""

import gzip
import logging
import os
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
from django.utils import timezone
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import (
    SEVERITY_NUMBER_ERROR,
    SEVERITY_NUMBER_INFO,
    SEVERITY_NUMBER_WARN,
    LogRecord,
    ResourceLogs,
    ScopeLogs,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceOnTheWire
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_HEADERS
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.util.re import parse_env_headers

from analytics.call_classes import BLOCKED, FAILED, call_class
from analytics.feeds.ranges import is_resting, next_range, note_failure, note_sent, otlp_feed
from analytics.models import Call

CALLS_AT_ONCE = 1000
RUN_SECONDS = 20.0
TIMEOUT_SECONDS = 10.0
MOST_ANSWER_BYTES = 64 * 2**10
_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"))
_SEVERITIES = {BLOCKED: (SEVERITY_NUMBER_WARN, "WARN"), FAILED: (SEVERITY_NUMBER_ERROR, "ERROR")}

logger = logging.getLogger(__name__)


class _Away(Exception):
    """The collector did not take it now; `wait` is how long it wants to be left alone, if it says."""

    def __init__(self, reason: str, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def send_calls(endpoint: str) -> int:
    """Send what is new to the collector whose URL for logs this is, for RUN_SECONDS; returns how many calls.

    OTEL_EXPORTER_OTLP_HEADERS, by which collectors know their clients, are sent along.
    """
    feed, sent, end = otlp_feed(endpoint), 0, time.monotonic() + RUN_SECONDS
    with requests.Session() as session:
        session.headers.update(parse_env_headers(os.environ.get(OTEL_EXPORTER_OTLP_HEADERS, ""), liberal=True))
        while time.monotonic() < end and not is_resting(feed, timezone.now()):
            some = next_range(feed, CALLS_AT_ONCE)
            if some is None:
                break
            calls = list(some.calls.order_by("pk"))
            try:
                _send(session, endpoint, calls)
            except _Away as reason:
                logger.warning("Calls %d to %d wait for the collector: %s", some.first, some.last, reason)
                note_failure(some, str(reason), timezone.now(), wait=reason.wait)
                break
            note_sent(some)
            sent += len(calls)
    return sent


def _send(session: requests.Session, endpoint: str, calls: Sequence[Call]) -> None:
    """Raises _Away. What is too large is halved; what is never taken is logged."""
    if not calls:
        return
    body = gzip.compress(request_of(calls).SerializeToString(), 1)
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    try:
        with session.post(
            endpoint, body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
        ) as answer:
            content = answer.raw.read(MOST_ANSWER_BYTES, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise _Away(type(error).__name__) from error
    match answer.status_code:
        case status if 200 <= status < 300:
            _note_rejected(content)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE if len(calls) > 1:
            half = len(calls) // 2
            _send(session, endpoint, calls[:half])
            _send(session, endpoint, calls[half:])
        case HTTPStatus.BAD_REQUEST | HTTPStatus.REQUEST_ENTITY_TOO_LARGE as status:
            # OTLP: the client must not send the same again.
            logger.error("The collector refused calls %d to %d: %d", calls[0].pk, calls[-1].pk, status)
        case status:
            raise _Away(f"it answered {status}", _wanted_wait(answer.headers.get("Retry-After"), timezone.now()))


def _note_rejected(content: bytes) -> None:
    answer = ExportLogsServiceResponse()
    try:
        answer.ParseFromString(content)
    except DecodeError:
        return
    if answer.partial_success.rejected_log_records:
        logger.error(
            "The collector rejected %d calls: %s",
            answer.partial_success.rejected_log_records,
            answer.partial_success.error_message[:500],
        )


def _wanted_wait(text: str | None, now: datetime) -> timedelta | None:
    """Of Retry-After: seconds or a date (RFC 9110 10.2.3)."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return timedelta(seconds=int(text))
    try:
        return max(parsedate_to_datetime(text) - now, timedelta())
    except (ValueError, TypeError):
        return None


def request_of(calls: Iterable[Call]) -> ExportLogsServiceRequest:
    """By gateway, as each is a resource of its own."""
    records: dict[str, list[LogRecord]] = {}
    for call in calls:
        records.setdefault(call.gateway, []).append(_record(call))
    return ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=ResourceOnTheWire(attributes=_pairs(_resource(gateway))),
                scope_logs=[ScopeLogs(scope=InstrumentationScope(name="analytics.calls"), log_records=of_one)],
            )
            for gateway, of_one in records.items()
        ]
    )


def _resource(gateway: str) -> dict[str, str | int | float]:
    ours = Resource({"service.name": "gateway", "service.instance.id": gateway})
    found = Resource.create().merge(ours).merge(OTELResourceDetector().detect()).attributes
    return {name: value for name, value in found.items() if isinstance(value, str | int | float)}


def _record(call: Call) -> LogRecord:
    severity, word = _SEVERITIES.get(call_class(call.response_code), (SEVERITY_NUMBER_INFO, "INFO"))
    moment = int(call.at.timestamp() * 1_000_000) * 1000
    return LogRecord(
        time_unix_nano=moment,
        observed_time_unix_nano=time.time_ns(),
        severity_number=severity,
        severity_text=word,
        event_name="apim.call",
        body=AnyValue(string_value=f"{call.method} {call.url} {call.response_code}"),
        attributes=_pairs(_attributes(call)),
    )


def _attributes(call: Call) -> dict[str, str | int | float]:
    """Those of the semantic conventions for HTTP servers, and what the gateway's spans have beside them."""
    path, _, query = call.url.partition("?")
    subscription = call.subscription_id
    found: dict[str, str | int | float | None] = {
        "log.record.uid": str(call.request_id),
        "http.request.method": call.method if call.method in _METHODS else "_OTHER",
        "http.request.method_original": call.method if call.method not in _METHODS else None,
        "url.path": path,
        "url.query": query or None,
        "client.address": call.caller_address or None,
        "geo.country.iso_code": call.country or None,
        "http.request.size": call.request_bytes,
        "http.response.size": call.response_bytes,
        "http.response.status_code": call.response_code or None,
        "http.server.request.duration": call.total_ms / 1000,
        "error.type": (call.error_reason or str(call.response_code)) if call.response_code >= 500 else None,
        "apim.request.id": str(call.request_id),
        "apim.region": call.region or None,
        "apim.api.id": call.api_id,
        "apim.operation.id": call.operation_id,
        "apim.product.id": call.product_id,
        "apim.subscription.id": subscription.hex if subscription is not None else None,
        "apim.user.id": call.user_id,
        "apim.backend.status_code": call.backend_code,
        "apim.backend.duration": call.backend_ms / 1000 if call.backend_ms is not None else None,
        "apim.error.source": call.error_source or None,
        "apim.error.reason": call.error_reason or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _pairs(values: dict[str, str | int | float]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any(value)) for name, value in values.items()]


def _any(value: str | int | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)
