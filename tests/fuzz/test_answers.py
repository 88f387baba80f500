"""Answers of a backend: the caller gets the same however they are cut, and what another client would read."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import h11
from hypothesis import event, given
from hypothesis import strategies as st

from gateway.http.chunks import chunk
from gateway.upstream.connection import Upstream
from tests.fuzz.pieces import CUTS, mutated, pieces

FRAGMENTS = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\xff",
        b"HTTP/1.1 ",
        b"HTTP/1.0 ",
        b"HTTP/2 ",
        b"200",
        b"100",
        b"101",
    ),
    *(
        b"204",
        b"304",
        b"099",
        b"1000",
        b"Content-Length: 1\r\n",
        b"content-length: 2\r\n",
        b"Content-Length: +1\r\n",
        b"\x0b",
        b"1_0",
    ),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: x\r\n",
    ),
    *(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n",
        b"0\r\n\r\n",
        b"1\r\na\r\n",
        b"; a=b",
        b"X : y\r\n",
        b" folded\r\n",
    ),
    *(
        b"Upgrade: websocket\r\n",
        b"Keep-Alive: timeout=5\r\n",
        b"Trailer: A\r\n",
        b"Date: x\r\n",
        b"X-Request-Id: 7\r\n",
        b"RateLimit: 1\r\n",
    ),
]
STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 ",
        b"HTTP/1.1 500",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 304 \xff",
    ]
)
LINES = st.sampled_from(
    [
        b"X: y",
        b"Set-Cookie: a=b",
        b"set-cookie: \xe4",
        b"Date: x",
        b"Connection: X",
        b"Connection: close",
        b"X-Request-Id: 7",
        b"A:",
        b"Trailer: T",
    ]
)
BODIES = st.one_of(
    st.binary(max_size=30).map(lambda body: (b"Content-Length: %d" % len(body), body)),
    st.builds(
        lambda parts, trailers: (
            b"Transfer-Encoding: chunked",
            b"".join(map(chunk, parts)) + b"0\r\n" + trailers + b"\r\n",
        ),
        st.lists(st.binary(min_size=1, max_size=10)),
        st.sampled_from([b"", b"T: x\r\n", b"Content-Length: 5\r\n"]),
    ),
    st.binary(max_size=30).map(lambda body: (b"Z: z", body)),
)
INTERIM = st.lists(
    st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n"]), max_size=2
)
GOOD = st.builds(
    lambda interim, status, lines, body: b"".join(interim) + b"\r\n".join([status, *lines, body[0], b"", body[1]]),
    INTERIM,
    STATUS_LINES,
    st.lists(LINES, max_size=4),
    BODIES,
)
WIRES = st.one_of(
    GOOD, mutated(GOOD, FRAGMENTS), st.lists(st.sampled_from(FRAGMENTS)).map(b"".join), st.binary(max_size=100)
)


@dataclass
class Caller:
    """The side of a caller that a backend's connection talks to; it takes chunks and trailers."""

    method: bytes = b"GET"
    interim: list[bytes] = field(default_factory=list)
    head: bytes = b""
    body: bytes = b""
    end: str = ""
    is_reused: bool = False
    is_slow: bool = False

    def __post_init__(self):
        fields = SimpleNamespace(websocket_key=None, is_http_1_0=False, takes_trailers=True)
        self.request = SimpleNamespace(method=self.method, fields=fields, length=None)
        backend = SimpleNamespace(seconds=None)
        self.outgoing = SimpleNamespace(attempts=None, backend=backend, failed=self.failed, discards=None)

    def respond_interim(self, response):
        self.interim.append(response.start)

    def response_head(self, response):
        self.head, rechunk = response.start, response.length is None
        return b"", rechunk

    def respond(self, data):
        self.body += data

    def end_response(self, data):
        self.body += data
        self.end = "whole"

    def failed(self, status, message, reason, *, may_replay=False):
        self.end = f"failed {status}"


class Transport:
    is_open = True

    def abort(self):
        self.is_open = False

    def write(self, data):
        pass

    def get_extra_info(self, name):
        return None

    def is_closing(self):
        return not self.is_open


def answered(parts: list[bytes], method: bytes = b"GET") -> Caller:
    """What the caller has got once these bytes have come and the backend has closed the connection."""
    caller, transport = Caller(method), Transport()
    limits = SimpleNamespace(backend_seconds=9.0, backend_idle_seconds=9.0, head_bytes=2**15, head_fields=100)
    pool = SimpleNamespace(put=lambda upstream: setattr(caller, "is_reused", True))
    server = SimpleNamespace(limits=limits, time=0.0, upstreams=set(), pool=pool)
    connections = SimpleNamespace(vacate=lambda: None, idle=[])
    upstream = Upstream(server, SimpleNamespace(is_tls=False), connections)
    upstream.connection_made(transport)
    upstream.begin(caller, SimpleNamespace(backend_started=None, debug=None))
    upstream.send(b"GET / HTTP/1.1\r\n\r\n", is_whole=True)
    for part in parts:
        if transport.is_open and not caller.end:
            upstream.data_received(part)
        elif caller.end == "whole":
            # What nobody asked for ends the connection, however late it comes.
            caller.is_reused = False
    if not caller.end:
        upstream.connection_lost(None)
    return caller


@given(WIRES, CUTS, st.sampled_from([b"GET", b"HEAD"]))
def test_cuts_change_nothing(wire, cuts, method):
    at_once, cut = answered([wire], method), answered(pieces(wire, cuts), method)
    event(at_once.end)
    assert (cut.end, cut.head, cut.interim) == (at_once.end, at_once.head, at_once.interim)
    assert cut.is_reused == at_once.is_reused
    if at_once.end == "whole":
        assert decoded(cut) == decoded(at_once)


def decoded(caller: Caller) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and trailers as a client reads them."""
    if not caller.body:
        return b"", []
    if b"\r\ncontent-length:" in caller.head.lower():
        return caller.body, []
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + caller.body)
    body = b""
    while not isinstance(found := connection.next_event(), h11.EndOfMessage):
        body += bytes(found.data) if isinstance(found, h11.Data) else b""
    return body, list(found.headers)


@given(WIRES, st.sampled_from([b"GET", b"HEAD"]))
def test_h11_reads_the_same(wire, method):
    """Where the gateway passes an answer on as whole, another client finds the same in it."""
    ours = answered([wire], method)
    if ours.end != "whole":
        return
    connection, interim, body = h11.Connection(h11.CLIENT), [], b""
    connection.send(h11.Request(method=method.decode(), target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    connection.receive_data(b"")
    while not isinstance(found := connection.next_event(), h11.EndOfMessage):
        if isinstance(found, h11.InformationalResponse):
            interim.append(found)
        elif isinstance(found, h11.Response):
            response = found
        elif isinstance(found, h11.Data):
            body += bytes(found.data)
    assert ours.head.startswith(b"HTTP/1.1 %d " % response.status_code)
    assert [start[9:12] for start in ours.interim] == [b"%d" % one.status_code for one in interim]
    assert decoded(ours)[0] == body
    if ours.is_reused:
        assert connection.trailing_data[0] == b""
        assert connection.their_state is h11.DONE


@given(WIRES)
def test_no_head_says_what_is_not_the_callers(wire):
    caller = answered([wire])
    for head in (caller.head, *caller.interim):
        lines = head.split(b"\r\n")
        names = [line.partition(b":")[0].lower() for line in lines[1:]]
        assert not set(names) & {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"x-request-id"}
        assert names.count(b"content-length") <= 1
        assert not any(set(line) & {0, 10, 13} for line in lines)
