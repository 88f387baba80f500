"""Keep-alive, pipelining, expectations, proxies in front, and what the gateway answers by itself."""

import contextlib
import socket

import pytest

from gateway.configuration.snapshot import Backend
from gateway.http.client_address import TrustedProxies
from tests.gateway.raw import OK, BackendConnection

KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
HOST = b"Host: a\r\n"


def get(target: bytes, *lines: bytes, key: bytes = KEY) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + key + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, key: bytes = KEY) -> bytes:
    return b"POST /echo/a HTTP/1.1\r\n" + HOST + key + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def test_an_idle_connection_takes_little_memory(gateway, backend):
    before = gateway.resident_bytes()
    clients = [gateway.connect() for _ in range(400)]
    for _ in range(2):
        assert [client.ask(get(b"/echo/a")).status for client in clients] == [200] * 400
    assert gateway.resident_bytes() - before < 400 * 8 * 2**10


def test_a_hundred_requests_at_once_are_answered_in_order(client, backend):
    def echo(connection: BackendConnection) -> None:
        while True:
            target = connection.read_request().split(b" ")[1]
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    backend.behave = echo
    client.send(b"".join(get(b"/echo/%d" % number) for number in range(100)))
    assert [client.read_response().body for _ in range(100)] == [b"/base/%d" % number for number in range(100)]


def test_requests_of_all_kinds_can_follow_each_other(client, backend):
    client.send(
        get(b"/echo/a")
        + post(b"Content-Length: 2")
        + b"ab"
        + get(b"/echo/a", key=b"")
        + post(b"Transfer-Encoding: chunked")
        + b"2\r\ncd\r\n0\r\n\r\n"
        + post(b"Content-Length: 2", key=b"")
        + b"ef"
        + get(b"/none")
        + get(b"/status-0123456789abcdef")
        + get(b"/echo/a", b"Connection: close")
        + get(b"/echo/never")
    )
    assert [client.read_response().status for _ in range(8)] == [200, 200, 401, 200, 401, 404, 200, 200]
    assert client.is_closed()
    assert backend.bodies == [b"", b"ab", b"cd", b""]


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("leaves_during", ["the request", "the answer"])
def test_a_caller_that_closes_its_half_after_whole_requests_is_answered(requests, leaves_during, client, backend):
    def behave(connection: BackendConnection) -> None:
        while True:
            backend.take(connection)
            if leaves_during == "the answer":
                client.socket.shutdown(socket.SHUT_WR)
            connection.send(OK)

    backend.behave = behave
    client.send(get(b"/echo/a") * requests)
    if leaves_during == "the request":
        client.socket.shutdown(socket.SHUT_WR)
    assert [client.read_response().body for _ in range(requests)] == [b"ok"] * requests
    assert client.is_closed()


def test_what_comes_behind_the_last_request_does_not_reset_the_connection_before_its_answer_is_read(client):
    last = get(b"/echo/a").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    client.socket.sendall(last + b"x" * 400_000)
    assert client.read_response().body == b"ok"
    assert client.socket.recv(1) == b"", "an end, and no reset"


def test_a_half_closed_caller_gets_refusals_too(client):
    client.send(get(b"/none") + get(b"/echo/a", key=b"") + b"nonsense\r\n\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert [client.read_response().status for _ in range(3)] == [404, 401, 400]
    assert client.is_closed()


def test_thousands_of_refused_requests_at_once_are_answered(client):
    client.send(get(b"/none") * 5000)
    assert all(client.read_response().status == 404 for _ in range(5000))


def test_one_backend_connection_serves_one_caller_after_another(gateway, backend):
    for _ in range(3):
        assert gateway.ask(get(b"/echo/a")).status == 200
    assert len(backend.connections) == 1


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        pytest.param(OK, 1, id="good"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 2, id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 2, id="HTTP/1.0"),
        pytest.param(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", 2, id="an answer nobody asked for"),
        pytest.param(OK + b"x", 2, id="a byte too many"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n", 2, id="204 with a chunk"),
    ],
)
def test_a_backend_connection_is_kept_only_while_it_is_clean(answer, connections, client, backend):
    backend.answer = answer
    for _ in range(2):
        assert client.ask(get(b"/echo/a")).status in (200, 204)
    assert len(backend.connections) == connections


def test_continue_comes_before_the_body_and_one_answer_after_it(client, backend):
    assert client.ask(post(b"Expect: 100-continue", b"Content-Length: 2")).head == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.ask(b"ab").status == 200
    assert backend.bodies == [b"ab"]
    assert b"xpect" not in backend.requests[0]


@pytest.mark.parametrize("key", [b"", b"Ocp-Apim-Subscription-Key: wrong\r\n"])
def test_without_a_good_key_a_401_comes_instead_of_continue(key, client, backend):
    answer = client.ask(post(b"Expect: 100-continue", b"Content-Length: 2", key=key))
    assert (answer.status, answer.header("Connection")) == (401, b"close")
    assert client.is_closed()
    assert backend.requests == []


def test_no_continue_where_the_body_is_here_already_or_the_caller_is_old(client, backend):
    assert client.ask(post(b"Expect: 100-continue", b"Content-Length: 2") + b"ab").status == 200
    old = post(b"Expect: 100-continue", b"Content-Length: 2").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert client.ask(old + b"ab").status == 200
    assert backend.bodies == [b"ab", b"ab"]


@pytest.mark.parametrize(
    ("key", "message", "length"),
    [
        (b"", b"missing subscription key. Make sure to include subscription key when making requests to an API.", 152),
        (
            b"Ocp-Apim-Subscription-Key: x\r\n",
            b"invalid subscription key. Make sure to provide a valid key for an active subscription.",
            143,
        ),
    ],
)
def test_a_refusal_is_azures_byte_for_byte(key, message, length, client):
    answer = client.ask(get(b"/echo/a", key=key))
    assert answer.body == b'{ "statusCode": 401, "message": "Access denied due to ' + message + b'" }'
    assert [name for name, _ in answer.headers] == [
        b"Date",
        b"Content-Type",
        b"WWW-Authenticate",
        b"Vary",
        b"Content-Length",
        b"X-Request-Id",
    ]
    assert answer.header("WWW-Authenticate") == (
        b'AzureApiManagementKey realm="http://a/echo",name="Ocp-Apim-Subscription-Key",type="header"'
    )
    assert answer.header("Content-Length") == b"%d" % length


def test_options_of_no_path_concern_no_api(client):
    assert client.ask(b"OPTIONS * HTTP/1.1\r\n" + HOST + KEY + b"\r\n").status == 400
    assert client.ask(get(b"/echo/a")).status == 200


def test_a_refusal_of_head_has_no_body(client):
    head = get(b"/none").replace(b"GET", b"HEAD", 1)
    assert client.ask(head, "HEAD").header("Content-Length") == b"54"
    assert client.ask(get(b"/echo/a")).status == 200


def test_calls_over_the_rate_are_refused_and_said_so(start_with, backend):
    gateway = start_with(Backend(1, "own", f"http://127.0.0.1:{backend.port}"))
    client = gateway.connect()
    request = get(b"/own/rate", key=b"Ocp-Apim-Subscription-Key: K2\r\n")
    answers = [client.ask(request) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert 3000 <= int(answers[2].header("Retry-After")) <= 3600
    assert len(backend.requests) == 2
    assert [record.error_reason for record in gateway.records()] == ["", "", "RateLimitExceeded"]


def test_calls_over_the_quota_are_refused_and_the_record_counts(start_with, backend):
    gateway = start_with(Backend(1, "own", f"http://127.0.0.1:{backend.port}"))
    client = gateway.connect()
    request = get(b"/own/quota", key=b"Ocp-Apim-Subscription-Key: K3\r\n")
    assert [client.ask(request).status for _ in range(3)] == [200, 200, 403]
    assert [record.quota_calls for record in gateway.records()] == [1, 2, None]


def test_health_is_answered_without_a_key_and_without_a_record(gateway):
    before = len(gateway.records())
    answer = gateway.ask(b"GET /status-0123456789abcdef HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (answer.status, answer.body) == (200, b"Service Operational")
    assert len(gateway.records()) == before


def test_an_unwanted_body_is_read_and_the_connection_goes_on(client):
    for size in (10, 60_000):
        client.send(post(b"Content-Length: %d" % size, key=b"") + b"x" * size)
        assert client.read_response().status == 401
    assert client.ask(get(b"/echo/a")).status == 200


def test_a_large_unwanted_body_ends_the_connection_but_not_before_the_answer_is_read(client):
    client.send(post(b"Content-Length: 1000000", key=b""))
    with contextlib.suppress(ConnectionError):
        client.send(b"x" * 1_000_000)
    assert client.read_response().status == 401
    assert client.is_closed()


def test_x_forwarded_of_a_stranger_is_not_believed(gateway, client, backend):
    client.ask(get(b"/echo/stranger", b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: x"))
    assert backend.requests[0].endswith(
        b"X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n"
    )
    assert gateway.record(b"/echo/stranger").caller_address == "127.0.0.1"


SAID_BY_PROXIES = (b"Forwarded: for=6.6.6.6", b"X-Real-IP: 6.6.6.6", b"X-Forwarded-Port: 1", b"x-forwarded-user: x")


def test_what_only_a_proxy_can_say_is_not_passed_on_from_a_stranger(client, backend, start_gateway):
    assert client.ask(get(b"/echo/a", *SAID_BY_PROXIES)).status == 200
    gateway = start_gateway(TRUSTED_PROXIES="127.0.0.1")
    assert gateway.ask(get(b"/echo/a", *SAID_BY_PROXIES)).status == 200
    for line in SAID_BY_PROXIES:
        assert [line in request.split(b"\r\n") for request in backend.requests] == [False, True]
    gateway.hang_up()


def test_x_forwarded_of_a_trusted_proxy_is_believed(start_gateway, backend):
    gateway = start_gateway(TRUSTED_PROXIES="127.0.0.0/8, 10.0.0.0/8")
    lines = (b"X-Forwarded-For: 6.6.6.6, 7.7.7.7", b"x-forwarded-for: 10.1.1.1", b"X-Forwarded-Proto: https")
    assert gateway.ask(get(b"/echo/a", *lines, b"X-Forwarded-Host: api.test")).status == 200
    assert backend.requests[0].endswith(
        b"X-Forwarded-For: 6.6.6.6, 7.7.7.7, 10.1.1.1, 127.0.0.1\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: api.test\r\n\r\n"
    )
    assert gateway.record(b"/echo/a").caller_address == "7.7.7.7"
    gateway.hang_up()


@pytest.mark.parametrize(
    ("peer", "chain", "caller"),
    [
        pytest.param("10.0.0.1", b"", "10.0.0.1", id="no chain"),
        pytest.param("9.9.9.9", b"1.1.1.1", "9.9.9.9", id="a stranger"),
        pytest.param("10.0.0.1", b"1.1.1.1, 2.2.2.2", "2.2.2.2", id="rightmost"),
        pytest.param("10.0.0.1", b"1.1.1.1, 10.0.0.2", "1.1.1.1", id="through two proxies"),
        pytest.param("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3", id="all trusted"),
        pytest.param("10.0.0.1", b"1.1.1.1, unknown", "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", b"1.1.1.1, 10.0.0.2, \xff", "10.0.0.1", id="no text"),
        pytest.param("::1", b"2001:DB8::1", "2001:db8::1", id="IPv6"),
        pytest.param("::ffff:10.0.0.1", b"1.1.1.1", "1.1.1.1", id="mapped IPv4"),
        pytest.param("10.0.0.1", b"::FFFF:1.1.1.1, ::ffff:10.0.0.2", "1.1.1.1", id="a chain of mapped IPv4"),
        pytest.param("::1", b"1.1.1.1:4711", "1.1.1.1", id="with a port"),
        pytest.param("::1", b"[2001:db8::1]:4711, 10.0.0.2:1", "2001:db8::1", id="IPv6 with a port"),
        pytest.param("::1", b"[2001:db8::1]", "2001:db8::1", id="IPv6 in brackets"),
        pytest.param("::1", b"1.1.1.1:", "::1", id="a port is missing"),
        pytest.param("::1", b"[1.1.1.1", "::1", id="a bracket is missing"),
        pytest.param("::1", b"fe80::1%" + b"A" * 5000, "::1", id="a zone of any length"),
        pytest.param("::1", b"[fe80::1%eth0]:80", "::1", id="a zone in brackets"),
        pytest.param("", b"1.1.1.1", "", id="no peer"),
    ],
)
def test_the_caller_is_the_first_from_the_right_that_is_no_proxy(peer, chain, caller):
    assert TrustedProxies(["10.0.0.0/8", "::1"]).caller(peer, chain) == caller
