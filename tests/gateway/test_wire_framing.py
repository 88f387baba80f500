"""Requests that two readers could understand in two ways are refused, and the connection with them."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.head import MalformedRequest
from gateway.http.request_reader import RequestReader

HOST = b"Host: a\r\n"
KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
GET = b"GET /echo/a HTTP/1.1\r\n" + HOST + KEY
POST = b"POST /echo/a HTTP/1.1\r\n" + HOST + KEY
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /echo/smuggled HTTP/1.1\r\n" + HOST + KEY + b"\r\n"

REFUSED_HEADS = [
    pytest.param(POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="CL.TE"),
    pytest.param(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400, id="TE.CL"),
    pytest.param(POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 400, id="TE.TE"),
    pytest.param(POST + b"Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", 400, id="coding before chunked"),
    pytest.param(POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, id="chunked twice"),
    pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, id="unknown coding"),
    pytest.param(POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400, id="empty coding"),
    pytest.param(
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, id="coding behind a control character"
    ),
    pytest.param(POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, id="space before colon"),
    pytest.param(POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="TE in 1.0"),
    pytest.param(POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, id="two lengths"),
    pytest.param(POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, id="a length twice"),
    pytest.param(POST + b"Content-Length: 1\r\ncontent-length: 2\r\n\r\nab", 400, id="two lengths, spelled apart"),
    pytest.param(POST + b"content-length: 1\r\nContent-Length: 1\r\n\r\na", 400, id="a length twice, spelled apart"),
    pytest.param(POST + b"Content-Length: 1\r\nContent-Length:\r\n\r\na", 400, id="a length and an empty one"),
    pytest.param(POST + b"Content-Length: 1, 1\r\n\r\na", 400, id="list of lengths"),
    pytest.param(POST + b"Content-Length: +1\r\n\r\na", 400, id="signed length"),
    pytest.param(POST + b"Content-Length: 0x1\r\n\r\na", 400, id="hexadecimal length"),
    pytest.param(POST + b"Content-Length: 1 1\r\n\r\na", 400, id="length with a space"),
    pytest.param(POST + b"Content-Length:\r\n\r\n", 400, id="empty length"),
    pytest.param(POST + b"Content-Length: -1\r\n\r\n", 400, id="negative length"),
    pytest.param(POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", 400, id="endless length"),
    pytest.param(GET + b"X: a\nY: b\r\n\r\n", 400, id="bare LF"),
    pytest.param(GET.replace(b"\r\n", b"\n") + b"\n", 400, id="bare LF everywhere"),
    pytest.param(GET + b"X: a\rY: b\r\n\r\n", 400, id="bare CR"),
    pytest.param(GET + b"X: a\r\n b\r\n\r\n", 400, id="folded line"),
    pytest.param(GET + b" X: a\r\n\r\n", 400, id="space before a name"),
    pytest.param(GET + b"X : a\r\n\r\n", 400, id="space before the colon"),
    pytest.param(GET + b": a\r\n\r\n", 400, id="no name"),
    pytest.param(GET + b"X\r\n\r\n", 400, id="no colon"),
    pytest.param(GET + b"X(: a\r\n\r\n", 400, id="a name that is no token"),
    pytest.param(GET + b"X\xc3\xa4: a\r\n\r\n", 400, id="a name beyond ASCII"),
    pytest.param(GET + b"X: a\0b\r\n\r\n", 400, id="NUL in a value"),
    pytest.param(GET + b"X: a\x01b\r\n\r\n", 400, id="control character in a value"),
    pytest.param(GET + b"X: a\x7fb\r\n\r\n", 400, id="DEL in a value"),
    pytest.param(b"G(T /echo/a HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="method no token"),
    pytest.param(b"GET  /echo/a HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="two spaces"),
    pytest.param(b"GET /echo/a\tHTTP/1.1\r\n" + HOST + b"\r\n", 400, id="tab for a space"),
    pytest.param(b"GET /echo/a b HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="space in the target"),
    pytest.param(b"GET /echo/a\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="NUL in the target"),
    pytest.param(b"GET /echo/q?s=pel\xc3\xadculas HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="raw bytes in the target"),
    pytest.param(b"GET echo/a HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="target is no path"),
    pytest.param(b"GET a.test:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="target is an authority"),
    pytest.param(b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="asterisk without OPTIONS"),
    pytest.param(b"GET http:///echo/a HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="absolute target without a host"),
    pytest.param(b"GET http://u:p@a/echo HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="user in the target"),
    pytest.param(b"GET ftp://a/echo HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="another scheme"),
    pytest.param(b"CONNECT a.test:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501, id="CONNECT"),
    pytest.param(b"TRACE /echo/a HTTP/1.1\r\n" + HOST + b"\r\n", 501, id="TRACE"),
    pytest.param(b"GET /echo/a HTTP/1.1\r\n\r\n", 400, id="no Host"),
    pytest.param(b"GET /echo/a HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, id="two Hosts"),
    pytest.param(b"GET /echo/a HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, id="Host with a path"),
    pytest.param(b"GET /echo/a HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, id="list of Hosts"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, id="HTTP/2"),
    pytest.param(b"GET /echo/a\r\n\r\n", 400, id="HTTP/0.9"),
    pytest.param(b"GET /echo/a HTTP/1.1.1\r\n" + HOST + b"\r\n", 400, id="version"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
    pytest.param(GET + b"Expect: nonsense\r\n\r\n", 417, id="unknown expectation"),
]


@pytest.mark.parametrize(("payload", "status"), REFUSED_HEADS)
def test_a_malformed_head_is_refused_and_the_connection_closed(payload, status, client, backend):
    client.send(payload + SMUGGLED)
    answer = client.read_response()
    assert answer.status == status
    assert answer.header("Connection") == b"close"
    assert answer.header("Content-Type") == b"application/json"
    assert answer.header("X-Request-Id")
    assert answer.body.startswith(b'{ "statusCode": %d, "message": "' % status)
    assert client.is_closed()
    assert backend.requests == []


UPGRADES = [
    pytest.param(b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", id="h2c"),
    pytest.param(
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        id="websocket",
    ),
]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize(("payload", "status"), [case for case in REFUSED_HEADS if b" HTTP/1.1\r\n" in case.values[0]])
def test_an_upgrade_makes_no_head_good(payload, status, upgrade, client, backend):
    """llhttp reads otherwise then, up to where it would switch."""
    request_line, end, rest = payload.partition(b"\r\n")
    client.send(request_line + end + upgrade + rest + SMUGGLED)
    assert client.read_response().status == status
    assert client.is_closed()
    assert backend.requests == []


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, id="sized"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n", id="chunked"
        ),
    ],
)
def test_a_request_inside_the_body_of_an_upgrade_is_a_body(body, method, upgrade, client, backend):
    client.send(method + POST.removeprefix(b"POST") + upgrade + body + GET + b"\r\n")
    assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert backend.bodies == [SMUGGLED, b""]
    assert b"pgrade" not in b"".join(backend.requests).replace(SMUGGLED, b"")


def test_a_body_of_no_length_is_the_next_request(client, backend):
    """CL.0: what stands behind a request without a length is a request, for the gateway and for the backend."""
    client.send(POST + b"\r\n" + GET + b"X-Second: 1\r\n\r\n")
    assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert [request.split(b" ")[0] for request in backend.requests] == [b"POST", b"GET"]
    assert all(request.count(b"HTTP/1.1") == 1 for request in backend.requests)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"x\r\na\r\n0\r\n\r\n", id="size is no number"),
        pytest.param(b"-1\r\na\r\n0\r\n\r\n", id="negative size"),
        pytest.param(b"0x1\r\na\r\n0\r\n\r\n", id="0x"),
        pytest.param(b"1 \r\na\r\n0\r\n\r\n", id="space after the size"),
        pytest.param(b"1\na\r\n0\r\n\r\n", id="size ends in LF"),
        pytest.param(b"1\r\nab\r\n0\r\n\r\n", id="data longer than its size"),
        pytest.param(b"2\r\na\r\n0\r\n\r\n", id="data shorter than its size"),
        pytest.param(b"1;\nx\r\na\r\n0\r\n\r\n", id="LF in an extension"),
        pytest.param(b"1;a\rb\r\na\r\n0\r\n\r\n", id="CR in an extension"),
        pytest.param(b"\r\n1\r\na\r\n0\r\n\r\n", id="empty line for a size"),
        pytest.param(b"f" * 17 + b"\r\na\r\n0\r\n\r\n", id="endless size"),
        pytest.param(b"1;" + b"x" * 200_000 + b"\r\na\r\n0\r\n\r\n", id="endless extension"),
        pytest.param(b"0\r\nT: " + b"x" * 200_000 + b"\r\n\r\n", id="endless trailer"),
        pytest.param(b"0\r\nT : x\r\n\r\n", id="bad trailer"),
    ],
)
def test_bad_chunks_are_refused_and_the_backend_sees_no_whole_body(chunks, client, backend):
    client.send(CHUNKED + chunks + SMUGGLED)
    assert client.read_response().status == 400
    client.read_to_end()
    assert backend.requests == []
    assert b"smuggled" not in b"".join(connection.log for connection in backend.connections)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, id="sized"),
        pytest.param(
            b"Transfer-Encoding: CHUNKED\r\n\r\n%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n", id="chunked"
        ),
    ],
)
def test_a_request_inside_a_body_is_a_body(body, client, backend):
    client.send(POST + body + GET + b"\r\n")
    assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert backend.bodies == [SMUGGLED, b""]


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        pytest.param(GET + b"Authorization: Bearer " + b"x" * 9000 + b"\r\n\r\n", 200, id="a long token"),
        pytest.param(GET + b"X: " + b"x" * 2**20 + b"\r\n\r\n", 431, id="one long field"),
        pytest.param(GET + b"X: " + b"x" * 64 * 2**10, 431, id="one long field without an end"),
        pytest.param(GET + b"X: y\r\n" * 10_000 + b"\r\n", 431, id="many fields"),
        pytest.param(b"GET /echo/" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + KEY + b"\r\n", 200, id="a long target"),
        pytest.param(b"GET /echo/" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, id="too long a target"),
        pytest.param(b"GET /echo/" + b"x" * 20_000, 414, id="too long a target without an end"),
    ],
)
def test_long_heads(payload, status, client, gateway):
    assert client.ask(payload).status == status
    assert gateway.ask(GET + b"\r\n").status == 200


@pytest.mark.parametrize("target", [b"/echo/%zz", b"/echo/%", b"/echo/a#b"])
def test_a_broken_path_is_answered_400(target, client, backend):
    answer = client.ask(b"GET " + target + b" HTTP/1.1\r\n" + HOST + KEY + b"\r\n")
    assert answer.status == 400
    assert answer.body.startswith(b'{ "statusCode": 400, "message": ')
    assert backend.requests == []


def test_empty_lines_before_a_request_are_ignored(client):
    assert client.ask(b"\r\n\r\n" + GET + b"\r\n").status == 200
    assert client.ask(b"\r\n" + GET + b"\r\n").status == 200
    assert client.ask(b"\r\n" * 8 + GET + b"\r\n").status == 200


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\r\n" * 500_000], id="at once"),
        pytest.param([b"\r\n"] * 9, id="one by one"),
        pytest.param([b"\r", b"\n\r", b"\n" + b"\r\n" * 7], id="cut anywhere"),
    ],
)
def test_more_than_a_few_empty_lines_are_refused(pieces, client, gateway):
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            client.send(piece)
    answer = client.read_response()
    assert (answer.status, answer.header("Connection")) == (400, b"close")
    assert gateway.ask(GET + b"\r\n").status == 200


def test_empty_lines_are_taken_away_in_one_step():
    class Counted(bytes):
        copies = 0

        def __getitem__(self, part):
            Counted.copies += 1
            return Counted(super().__getitem__(part))

    reader = RequestReader()
    reader.receive(Counted(b"\r\n" * 8 + GET))
    assert reader.next_head(2**15, 100) is None
    assert Counted.copies <= 1


@pytest.mark.parametrize("name", [b"Content-Length: ", b"content-length: ", b"Content-Length:", b"CONTENT-LENGTH:\t"])
def test_a_length_is_read_however_it_is_spelled(name, client, backend):
    for body in (b"", b"a", b"ab", b"a" * 5000):
        assert client.ask(POST + b"Accept: */*\r\n" + name + b"%d\r\n\r\n" % len(body) + body).status == 200
    assert backend.bodies == [b"", b"a", b"ab", b"a" * 5000]


def test_a_refused_head_is_refused_also_after_good_ones_like_it(client, backend):
    good = POST + b"Content-Length: 1\r\n\r\na"
    assert [client.ask(good).status for _ in range(3)] == [200, 200, 200]
    assert client.ask(POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status == 400
    assert client.is_closed()
    assert len(backend.requests) == 3


def test_requests_can_come_byte_by_byte(client, backend):
    for byte in CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" + POST + b"Content-Length: 2\r\n\r\nde":
        client.send(bytes([byte]))
    assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert backend.bodies == [b"abc", b"de"]


MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=40).map(lambda body: (POST + b"Content-Length: %d\r\n\r\n" % len(body) + body, body)),
        st.lists(st.one_of(st.binary(min_size=1, max_size=20), st.just(b"\r\n\r\n0\r\n\r\n"))).map(
            lambda chunks: (
                CHUNKED + b"".join(b"%x;e\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nT: x\r\n\r\n",
                b"".join(chunks),
            )
        ),
    ),
    min_size=1,
    max_size=4,
)


def read_all(pieces: list[bytes]) -> list[bytes]:
    """Bodies of the requests in these pieces, by the reader as the caller's connection drives it."""
    reader, bodies, is_open = RequestReader(), [], False
    for piece in pieces:
        reader.receive(piece)
        while True:
            if not is_open:
                if reader.next_head(2**15, 100) is None:
                    break
                bodies.append(b"")
            if not reader.is_complete and reader.waiting:
                bodies[-1] += reader.next_body()
            is_open = not reader.is_complete
            if is_open:
                break
    assert not is_open
    return bodies


@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 2000)))
def test_where_reads_are_cut_makes_no_difference(messages, cuts):
    wire = b"".join(sent for sent, _ in messages)
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[start:end] for start, end in pairwise(places)]
    assert read_all(pieces) == [body for _, body in messages]
    assert read_all([bytes([byte]) for byte in wire]) == [body for _, body in messages]


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_make_the_reader_fail_otherwise(garbage, after_a_head):
    reader = RequestReader()
    reader.receive((POST if after_a_head else b"") + garbage)
    with contextlib.suppress(MalformedRequest):
        while reader.waiting and reader.next_head(2**15, 100) is not None and not reader.is_complete:
            reader.next_body()
