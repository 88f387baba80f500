"""W3C Trace Context: what is a parent, and what the backend gets."""

import pytest

from gateway.http.head import read_fields
from gateway.http.trace_context import Parent, begin_trace, parent_of, without_context

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%b-%b-01" % (TRACE, SPAN)


@pytest.mark.parametrize(
    ("value", "is_sampled"),
    [
        pytest.param(GOOD, True, id="sampled"),
        pytest.param(GOOD[:-2] + b"00", False, id="not sampled"),
        pytest.param(GOOD[:-2] + b"03", True, id="flags that are not known yet"),
        pytest.param(b"cc" + GOOD[2:], True, id="a version to come"),
        pytest.param(b"cc" + GOOD[2:] + b"-what-it-adds", True, id="a version to come, with more"),
    ],
)
def test_a_traceparent_names_the_callers_span(value, is_sampled):
    assert parent_of([(b"a", b"b"), (b"traceparent", value)]) == Parent(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="none"),
        pytest.param([b""], id="empty"),
        pytest.param([GOOD, GOOD], id="two"),
        pytest.param([GOOD.upper()], id="upper case"),
        pytest.param([b"ff" + GOOD[2:]], id="the version that is not one"),
        pytest.param([b"0" + GOOD], id="a version of three digits"),
        pytest.param([GOOD + b"-more"], id="more than version 00 has"),
        pytest.param([b"cc" + GOOD[2:] + b".more"], id="a version to come, with more and no dash"),
        pytest.param([GOOD.replace(TRACE, b"0" * 32)], id="trace id of zeros"),
        pytest.param([GOOD.replace(SPAN, b"0" * 16)], id="span id of zeros"),
        pytest.param([GOOD.replace(TRACE, TRACE[1:])], id="a short trace id"),
        pytest.param([GOOD.replace(SPAN, SPAN + b"0")], id="a long span id"),
        pytest.param([GOOD[:-1]], id="short flags"),
        pytest.param([GOOD + b" "], id="a space"),
        pytest.param([b"\xff" * 55], id="no text"),
        pytest.param([b"cc" + GOOD[2:] + b"-" + b"x" * 30_000 + b"\n"], id="long, and a line feed"),
    ],
)
def test_anything_else_names_nothing(values):
    assert parent_of([(b"traceparent", value) for value in values]) is None


@pytest.mark.parametrize(
    ("ratio", "is_sampled"), [pytest.param(1.0, True, id="all"), pytest.param(0.0, False, id="none")]
)
def test_a_new_trace_is_sampled_as_often_as_is_set(ratio, is_sampled):
    traces = [begin_trace([], ratio, b"http") for _ in range(100)]
    assert {trace.is_sampled for trace in traces} == {is_sampled}
    assert len({trace.trace_id for trace in traces}) == len({trace.span_id for trace in traces}) == 100
    again = parent_of([(b"traceparent", traces[0].line.strip().partition(b" ")[2])])
    assert again == Parent(traces[0].trace_id, traces[0].span_id, is_sampled)


@pytest.mark.parametrize("flags", [b"00", b"01"])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_caller_decides_whether_its_trace_is_sampled(flags, ratio):
    trace = begin_trace([(b"traceparent", GOOD[:-2] + flags)], ratio, b"http")
    assert trace.trace_id == TRACE
    assert trace.span_id != SPAN
    assert trace.line == b"traceparent: 00-%b-%b-%b\r\n" % (TRACE, trace.span_id, flags)


def test_the_state_of_a_good_parent_stays():
    fields = read_fields(b"Host: x\r\nTraceParent: " + GOOD + b"\r\ntracestate: a=1\r\nb: c\r\n\r\n", is_http_1_0=False)
    assert without_context(fields).lines == [b"Host: x", b"tracestate: a=1", b"b: c"]


def test_the_state_of_a_bad_parent_goes():
    fields = read_fields(b"Host: x\r\ntraceparent: bad\r\nTRACESTATE: a=1\r\nb: c\r\n\r\n", is_http_1_0=False)
    assert without_context(fields).lines == [b"Host: x", b"b: c"]
    assert [name for name, _ in without_context(fields).pairs] == [b"host", b"b"]


def test_fields_without_context_stay_as_they_are():
    fields = read_fields(b"Host: x\r\n\r\n", is_http_1_0=False)
    assert without_context(fields) is fields
