"""Traces through a real gateway, exported to a real receiver of OTLP over HTTP."""

import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.gateway.conftest import ROOT, free_port, wait_for
from tests.gateway.raw import Client

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
SAMPLED, UNSAMPLED = b"00-%b-%b-01" % (TRACE, SPAN), b"00-%b-%b-00" % (TRACE, SPAN)


def request(target: bytes, *lines: bytes, method: bytes = b"GET", key: bytes = b"K1") -> bytes:
    lines = (b"Host: api.test", b"Ocp-Apim-Subscription-Key: " + key, *lines)
    return method + b" " + target + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def values(head: bytes, name: bytes) -> list[bytes]:
    return re.findall(rb"(?i)\r\n%b: ([^\r]*)" % name, head)


class Collector:
    """Keeps the spans it gets, with their resources."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resources.append({a.key: a.value.string_value for a in group.resource.attributes})
                    for scope in group.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def span(self, request_id: bytes) -> Span:
        """The only span of the call, as soon as it is there."""

        def found() -> list[Span]:
            return [span for span in self.spans if attributes(span)["apim.request.id"] == request_id.decode()]

        wait_for(found)
        (span,) = found()
        return span


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@pytest.fixture(scope="module")
def collector():
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture(scope="module")
def module_traced(start_gateway, collector):
    return start_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY=50)


@pytest.fixture
def traced(module_traced, backend):
    yield module_traced
    module_traced.settle()


def test_without_export_the_context_passes_as_it_came(client, backend):
    client.ask(request(b"/echo/a", b"TraceParent: " + SAMPLED, b"tracestate: a=1"))
    client.ask(request(b"/echo/a", b"traceparent: nonsense", b"traceparent: more", b"tracestate: a=1"))
    assert b"\r\nTraceParent: " + SAMPLED + b"\r\ntracestate: a=1\r\n" in backend.requests[0]
    assert b"\r\ntraceparent: nonsense\r\ntraceparent: more\r\ntracestate: a=1\r\n" in backend.requests[1]


def test_a_call_is_a_span_between_its_callers_and_its_backends(traced, backend, collector):
    answer = traced.ask(request(b"/echo/a?b=c&subscription-key=K1", b"traceparent: " + SAMPLED, b"tracestate: a=1"))
    span = collector.span(answer.header("X-Request-Id"))
    assert (span.trace_id.hex().encode(), span.parent_span_id.hex().encode()) == (TRACE, SPAN)
    assert values(backend.requests[0], b"traceparent") == [b"00-%b-%b-01" % (TRACE, span.span_id.hex().encode())]
    assert values(backend.requests[0], b"tracestate") == [b"a=1"]
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.name == "GET /echo/*"
    assert span.status.code == Status.STATUS_CODE_UNSET
    record = traced.record(b"/echo/a?b=c")
    assert span.end_time_unix_nano - span.start_time_unix_nano == pytest.approx(record.total_seconds * 1e9, abs=1000)
    assert (
        attributes(span).items()
        >= {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": "/echo/*",
            "url.scheme": "http",
            "url.path": "/echo/a",
            "url.query": "b=c",
            "client.address": "127.0.0.1",
            "apim.api.id": 1,
            "apim.product.id": 1,
            "apim.subscription.id": "01" * 16,
        }.items()
    )
    assert "error.type" not in attributes(span)
    assert collector.resources[-1]["service.name"] == "gateway"
    assert collector.resources[-1]["service.instance.id"].encode() == traced.name


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="none"),
        pytest.param((b"traceparent: nonsense", b"tracestate: a=1"), id="malformed"),
        pytest.param((b"traceparent: " + SAMPLED, b"traceparent: " + SAMPLED, b"tracestate: a=1"), id="two"),
    ],
)
def test_without_a_parent_a_new_trace_begins(lines, traced, backend, collector):
    answer = traced.ask(request(b"/echo/a", *lines))
    span = collector.span(answer.header("X-Request-Id"))
    assert span.parent_span_id == b""
    assert span.trace_id.hex().encode() != TRACE
    line = b"00-%b-%b-01" % (span.trace_id.hex().encode(), span.span_id.hex().encode())
    assert values(backend.requests[0], b"traceparent") == [line]
    assert values(backend.requests[0], b"tracestate") == []


def test_each_call_of_a_connection_has_a_span_of_its_own(traced, backend, collector):
    client = traced.connect()
    answers = [client.ask(request(b"/echo/a", b"traceparent: " + SAMPLED)) for _ in range(3)]
    spans = [collector.span(answer.header("X-Request-Id")) for answer in answers]
    sent = [values(one, b"traceparent")[0].split(b"-")[2] for one in backend.requests]
    assert sent == [span.span_id.hex().encode() for span in spans]
    assert len(set(sent)) == 3


def test_a_trace_that_its_caller_does_not_sample_is_not_exported(traced, backend, collector):
    client = traced.connect()
    unsampled = client.ask(request(b"/echo/a", b"traceparent: " + UNSAMPLED)).header("X-Request-Id")
    collector.span(client.ask(request(b"/echo/a", b"traceparent: " + SAMPLED)).header("X-Request-Id"))
    assert unsampled.decode() not in {attributes(span)["apim.request.id"] for span in collector.spans}
    (sent,) = values(backend.requests[0], b"traceparent")
    assert re.fullmatch(b"00-%b-[0-9a-f]{16}-00" % TRACE, sent)


def test_a_refused_call_has_a_span_without_an_error(traced, collector):
    answer = traced.ask(request(b"/echo/a", key=b"wrong"))
    span = collector.span(answer.header("X-Request-Id"))
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes(span)["http.response.status_code"] == 401
    assert attributes(span)["apim.error.reason"] == "SubscriptionKeyInvalid"


def test_a_call_whose_backend_fails_is_an_error(traced, collector):
    answer = traced.ask(request(b"/refusing/a"))
    span = collector.span(answer.header("X-Request-Id"))
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "BackendConnectionFailure"


def test_a_method_and_a_path_of_the_callers_own_name_no_span(traced, collector):
    answer = traced.ask(request(b"/nowhere/at/all", method=b"BREW"))
    span = collector.span(answer.header("X-Request-Id"))
    assert span.name == "HTTP"
    assert attributes(span)["http.request.method"] == "_OTHER"
    assert attributes(span)["http.request.method_original"] == "BREW"


def test_no_key_reaches_a_span(traced, collector):
    answer = traced.ask(b"GET /echo/a?SUBSCRIPTION-key=K1&x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    span = collector.span(answer.header("X-Request-Id"))
    assert attributes(span)["url.query"] == "x=1"
    assert not any("K1" in str(value) for value in attributes(span).values())


def test_spans_of_the_last_calls_are_exported_before_the_end(start_gateway, collector, backend):
    gateway = start_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY=600_000)
    answer = gateway.ask(request(b"/echo/a"))
    assert gateway.stop() == 0
    assert collector.span(answer.header("X-Request-Id"))


def test_without_sampling_nothing_is_exported_but_traces_go_on(start_gateway, collector, backend):
    gateway = start_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG=0)
    answer = gateway.ask(request(b"/echo/a"))
    assert gateway.stop() == 0
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", values(backend.requests[0], b"traceparent")[0])
    exported = {attributes(span)["apim.request.id"] for span in collector.spans}
    assert answer.header("X-Request-Id").decode() not in exported


def test_a_collector_that_is_down_disturbs_no_call(start_gateway, backend):
    gateway = start_gateway(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
        OTEL_BSP_SCHEDULE_DELAY=1,
        OTEL_BSP_MAX_QUEUE_SIZE=4,
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4,
        OTEL_EXPORTER_OTLP_TIMEOUT=1,
    )
    client: Client = gateway.connect()
    assert [client.ask(request(b"/echo/a")).status for _ in range(100)] == [200] * 100
    client.close()
    assert gateway.stop() == 0


def test_without_its_packages_the_start_stops_and_says_which(tmp_path):
    (tmp_path / "opentelemetry.py").write_text("raise ImportError")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "DATA_DIR": str(tmp_path),
        "GATEWAY_PORT": str(free_port()),
        "GATEWAY_MANAGEMENT_PORT": "0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    ended = subprocess.run([sys.executable, "-m", "gateway"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in ended.stderr
    assert "pip install -r requirements-otel.txt" in ended.stderr
    assert "Traceback" not in ended.stderr
