"""What a backend gets of a caller's fields, and what is believed of who called."""

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.http.client_address import TrustedProxies
from gateway.http.forwarding import HOP_BY_HOP, backend_head, backend_lines, forwarded_lines
from gateway.http.head import MalformedRequest, read_fields
from gateway.http.trace_context import begin_trace, trace_id_of

OURS = {b"host", b"content-length", b"transfer-encoding", b"x-request-id", b"via", b"te", b"connection", b"trailer"}
NAMES = st.sampled_from(
    [
        *(b"Cookie", b"cookie", b"Connection", b"CONNECTION", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Trailer"),
        *(b"Upgrade", b"Transfer-Encoding", b"Expect", b"X-Forwarded-For", b"x-forwarded-for", b"X-Forwarded-Foo"),
        *(b"Forwarded", b"X-Real-IP", b"X-Request-Id", b"Via", b"Proxy-Authorization", b"HTTP2-Settings", b"K", b"k"),
        *(b"X", b"x", b"X_Forwarded_For", b"Content-Type", b"traceparent", b"Host", b"Content-Length"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [b"", b"a=b; c=d", b"close", b"keep-alive, X", b"x,cookie", b"Host, Content-Length", b"TE", b"trailers"]
    ),
    st.sampled_from(
        [b"chunked", b"1.2.3.4, 5.6.7.8", b"k", b",,  x ,", b"transfer-encoding", b"upgrade", b"websocket", b"3"]
    ),
    st.binary(max_size=8).map(lambda value: value.translate(None, bytes([*range(0x20), 0x7F])).strip()),
)
BLOCKS = st.lists(st.builds(lambda name, value: name + b": " + value, NAMES, VALUES), max_size=8).map(
    lambda lines: b"".join(line + b"\r\n" for line in [b"Host: a", *lines]) + b"\r\n"
)


@given(BLOCKS, st.booleans(), st.booleans())
def test_only_what_is_for_the_backend_goes_on(block, trusted, is_http_1_0):
    try:
        fields = read_fields(block, is_http_1_0=is_http_1_0)
    except MalformedRequest:
        return
    added = forwarded_lines(fields, "9.9.9.9", b"http", b"a", b"gw", trusted=trusted)
    lines = backend_lines(fields, frozenset((b"k",)), added, trusted=trusted)
    head = backend_head(b"POST", b"/", b"backend", fields.length, b"id", lines)
    sent = head.split(b"\r\n")
    assert sent[-2:] == [b"", b""]
    assert sent.count(b"") == 2
    names = [line.partition(b":")[0].lower() for line in sent[1:-2]]
    # Exactly one way to say where the message ends.
    assert names.count(b"host") == 1
    assert names.count(b"content-length") == (fields.length is not None)
    assert names.count(b"transfer-encoding") == fields.is_chunked
    assert not (fields.is_chunked and fields.length is not None)
    # Nothing of one connection, no key, nothing that was named in Connection.
    options = {
        option.strip().lower() for name, value in fields.pairs if name == b"connection" for option in value.split(b",")
    }
    own = set(re.findall(rb"(?m)^([A-Za-z-]+):", added.lower())) | OURS
    gone = HOP_BY_HOP | {b"expect", b"k"} | (options - {b"", b"close", b"keep-alive"})
    assert not (set(names) & gone) - own
    assert not [name for name in names if b"_" in name and name.replace(b"_", b"-") in OURS | gone]
    if not trusted:
        assert {name for name in names if name.startswith(b"x-forwarded")} <= own
        assert not {b"forwarded", b"x-real-ip"} & set(names)
    # The rest is there byte for byte, in its order.
    kept = [
        line
        for line, (name, _) in zip(fields.lines, fields.pairs, strict=True)
        if name in (b"cookie", b"x", b"content-type")
    ]
    expected = [line for line in kept if line.partition(b":")[0].lower() not in options]
    assert [line for line in sent if line.partition(b":")[0].lower() in (b"cookie", b"x", b"content-type")] == expected


ENTRIES = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(
        [
            "10.0.0.1",
            "10.0.0.1:80",
            "[::1]:8",
            "[fe80::1]",
            "unknown",
            "_hidden",
            "",
            "1.2.3",
            "::ffff:10.0.0.1",
            "\xff",
        ]
    ),
    st.text(alphabet="0123456789abf.:[]%", max_size=12),
)


@given(ENTRIES, st.lists(ENTRIES, max_size=5))
def test_the_caller_is_an_address_behind_trusted_proxies_only(peer, chain):
    proxies = TrustedProxies(["10.0.0.0/8", "::1"])
    found = proxies.caller(peer, ", ".join(chain).encode("latin-1"))
    if found != peer:
        assert ipaddress.ip_address(found)
        assert proxies.holds(peer)


@given(
    st.lists(
        st.tuples(
            st.just(b"traceparent"),
            st.one_of(st.binary(max_size=60), st.from_regex(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01].?", fullmatch=True)),
        ),
        max_size=2,
    )
)
def test_any_trace_context_begins_a_trace(pairs):
    trace = begin_trace(pairs, 1.0, b"http")
    assert re.fullmatch(rb"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\r\n", trace.line)
    assert trace_id_of(pairs, trace) == trace.trace_id
