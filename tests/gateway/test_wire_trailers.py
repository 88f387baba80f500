"""Trailers pass, but for what a reader must know, or believes, before a body."""

import pytest

from tests.gateway.raw import OK, Client

HEAD = b" /echo/a HTTP/1.1\r\nHost: a\r\nOcp-Apim-Subscription-Key: K1\r\n"
TAKES = b"Connection: TE\r\nTE: trailers\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def answer_with(backend, *trailers: bytes, announced: bytes = b"Trailer: Grpc-Status, X-Sum\r\n") -> None:
    lines = b"".join(line + b"\r\n" for line in trailers)
    backend.answer = b"HTTP/1.1 200 OK\r\n" + announced + CHUNKED + b"2\r\nok\r\n0\r\n" + lines + b"\r\n"


def post(client: Client, *trailers: bytes, lines: bytes = b"Trailer: X-Sum\r\n") -> None:
    last = b"".join(line + b"\r\n" for line in trailers)
    assert client.ask(b"POST" + HEAD + lines + CHUNKED + b"2\r\nab\r\n0\r\n" + last + b"\r\n").status == 200


def test_trailers_of_an_answer_reach_a_caller_that_takes_them(client, backend):
    answer_with(backend, b"Grpc-Status: 0", b"X-Sum:abc ", b"Content-Digest: sha-256=:AA==:")
    for _ in range(2):
        answer = client.ask(b"GET" + HEAD + TAKES + b"\r\n")
        assert (answer.body, answer.all("Trailer")) == (b"ok", [b"Grpc-Status, X-Sum"])
        assert client.trailers == [b"Grpc-Status: 0", b"X-Sum:abc ", b"Content-Digest: sha-256=:AA==:"]
    head = backend.requests[0].lower()
    assert head.count(b"\r\nconnection: te\r\nte: trailers\r\n") == 1
    assert head.count(b"\r\nconnection:") == 1


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b"", id="says nothing"),
        pytest.param(b"TE: trailers\r\n", id="says so to somebody else"),
        pytest.param(b"Connection: TE\r\nTE: gzip\r\n", id="takes a coding only"),
    ],
)
def test_trailers_of_an_answer_stop_before_a_caller_that_does_not_take_them(lines, client, backend):
    answer_with(backend, b"X-Sum: abc")
    for others_take in (b"", TAKES):
        client.ask(b"GET" + HEAD + others_take + b"\r\n")
        answer = client.ask(b"GET" + HEAD + lines + b"\r\n")
        assert (answer.body, client.trailers, answer.header("Trailer")) == (b"ok", [], None)
        assert b"\r\nte:" not in backend.requests[-1].lower()


def test_an_http_1_0_caller_gets_none(gateway, backend):
    answer_with(backend, b"X-Sum: abc")
    client = gateway.connect()
    client.send(b"GET" + HEAD.replace(b"1.1", b"1.0") + TAKES + b"\r\n")
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"ok"
    assert b"Trailer" not in head


def test_trailers_of_a_request_reach_the_backend(client, backend):
    post(client, b"X-Sum: abc", b"x-more:  1")
    assert backend.connections[0].trailers == [b"X-Sum: abc", b"x-more:  1"]
    assert b"\r\nTrailer: X-Sum\r\n" in backend.requests[0]
    assert backend.bodies == [b"ab"]


FORBIDDEN = [
    b"Transfer-Encoding: chunked",
    b"Content-Length: 5",
    b"content-type: text/html",
    b"Host: other.test",
    b"Authorization: Basic eA==",
    b"Cookie: a=b",
    b"Set-Cookie: a=b",
    b"Connection: close",
    b"Trailer: X-Sum",
    b"TE: trailers",
    b"Expect: 100-continue",
    b"If-Match: x",
    b"Cache-Control: no-store",
    b"X-Forwarded-For: 6.6.6.6",
    b"Forwarded: for=6.6.6.6",
    b"X-Real-IP: 6.6.6.6",
    b"X-Request-Id: mine",
    b"Via: 1.1 x",
    b"Access-Control-Allow-Origin: *",
    b"RateLimit: x",
    b"WWW-Authenticate: Basic",
    b"Content_Length: 5",
    b"X_Forwarded_For: 6.6.6.6",
]


@pytest.mark.parametrize("line", FORBIDDEN, ids=lambda line: line.partition(b":")[0].decode())
def test_what_must_stand_in_a_head_is_dropped_from_trailers(line, client, backend):
    name = line.partition(b":")[0]
    post(client, line, b"X-Sum: abc", lines=b"Trailer: " + name + b", X-Sum\r\n")
    assert backend.connections[0].trailers == [b"X-Sum: abc"]
    assert b"\r\nTrailer: X-Sum\r\n" in backend.requests[0]
    answer_with(backend, line, b"X-Sum: abc", announced=b"Trailer: X-Sum," + name + b"\r\n")
    answer = client.ask(b"GET" + HEAD + TAKES + b"\r\n")
    assert (client.trailers, answer.header("Trailer")) == ([b"X-Sum: abc"], b"X-Sum")


def test_a_key_or_what_belongs_to_the_connection_is_no_trailer_either(client, backend):
    lines = b"Connection: X-Hop\r\nTrailer: X-Hop, ocp-apim-subscription-key\r\n"
    post(client, b"OCP-Apim-Subscription-Key: K1", b"Ocp_Apim_Subscription_Key: K1", b"x-hop: 1", lines=lines)
    assert backend.connections[0].trailers == []
    assert b"railer" not in backend.requests[0]


def test_a_key_in_a_trailer_opens_nothing(client, backend):
    head = HEAD.replace(b"Ocp-Apim-Subscription-Key: K1\r\n", b"")
    request = b"POST" + head + CHUNKED + b"0\r\nOcp-Apim-Subscription-Key: K1\r\n\r\n"
    assert client.ask(request).status == 401
    assert backend.requests == []


def test_trailers_do_not_stay_for_the_next_message(client, backend):
    post(client, b"X-Sum: abc")
    post(client)
    assert backend.connections[0].trailers == []
    answer_with(backend, b"X-Sum: abc")
    assert client.ask(b"GET" + HEAD + TAKES + b"\r\n").body == b"ok"
    answer_with(backend)
    assert client.ask(b"GET" + HEAD + TAKES + b"\r\n").body == b"ok"
    assert client.trailers == []
    backend.answer = OK
    assert client.ask(b"GET" + HEAD + TAKES + b"\r\n").body == b"ok"
