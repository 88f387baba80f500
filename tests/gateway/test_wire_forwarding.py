"""What a call looks like at the backend, and its answer at the caller, byte for byte."""

import re
from email.utils import parsedate_to_datetime

import pytest

from tests.gateway.raw import OK, BackendConnection

HOST = b"Host: api.test\r\n"
KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
FORWARDED = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: api.test\r\n"


def request(start: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    return start + b" HTTP/1.1\r\n" + HOST + KEY + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def id_in(head: bytes) -> bytes:
    (found,) = re.findall(rb"(?i)\r\nX-Request-Id: ([^\r]*)", head)
    return found


@pytest.fixture
def arrived(gateway, backend):
    """The request that the backend must get, all of it. Host, the length and the call's own id come first."""

    def whole(start: bytes, *lines: bytes, forwarded: bytes = FORWARDED, body: bytes = b"") -> bytes:
        lines = (
            b"Host: 127.0.0.1:%d" % backend.port,
            *(line for line in lines if line.startswith(b"Content-L")),
            b"X-Request-Id: " + id_in(backend.requests[0]),
            *(line for line in lines if not line.startswith(b"Content-L")),
            b"Via: 1.1 " + gateway.name,
        )
        return start + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + forwarded + b"\r\n" + body

    return whole


def test_the_backend_gets_its_own_host_and_the_callers_lines_as_they_were(client, backend, arrived):
    client.ask(request(b"GET /echo/a", b"aCCept:  */* ", b"X-Empty:", b"X-Twice: 1", b"Cookie: a=b", b"x-twice: 2"))
    lines = (b"aCCept:  */* ", b"X-Empty:", b"X-Twice: 1", b"Cookie: a=b", b"x-twice: 2")
    assert backend.requests == [arrived(b"GET /base/a", *lines)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(b"/echo/files/%80%81/meta", b"/base/files/%80%81/meta", id="bytes above 0x7F stay encoded"),
        pytest.param(b"/echo/S%C3%A5k", b"/base/S%C3%A5k", id="UTF-8 stays encoded"),
        pytest.param(b"/echo/q?a=1+2&b=1%2B2&c=1%202", b"/base/q?a=1+2&b=1%2B2&c=1%202", id="plus and %20"),
        pytest.param(b"/echo//files/", b"/base//files/", id="empty segments stay"),
        pytest.param(b"/echo/q?", b"/base/q?", id="an empty query stays"),
        pytest.param(b"/ECHO/q", b"/base/q", id="suffix in other case"),
        pytest.param(b"http://other.test/echo/q?a=1", b"/base/q?a=1", id="absolute target"),
    ],
)
def test_the_target_is_passed_on_as_it_came(target, expected, client, backend):
    assert client.ask(request(b"GET " + target)).status == 200
    assert backend.requests[0].startswith(b"GET " + expected + b" HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/echo/q?b=2&subscription-key=K1&a=1&c[0]", b"/base/q?b=2&a=1&c[0]"),
        (b"/echo/q?subscription-key=K1", b"/base/q"),
        (b"/echo/q?subscription-key=K1&a=%20+", b"/base/q?a=%20+"),
    ],
)
def test_the_key_is_taken_out_of_the_query_and_nothing_else(target, expected, client, backend, gateway, arrived):
    answer = client.ask(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"apikey: the backend's\r\n\r\n")
    assert answer.status == 200
    assert backend.requests == [arrived(b"GET " + expected, b"apikey: the backend's")]
    assert b"K1" not in gateway.records()[-1].url


@pytest.mark.parametrize("name", [b"Subscription-Key", b"SUBSCRIPTION-KEY", b"%53ubscription%2Dkey"])
def test_a_key_under_a_name_in_another_case_does_not_reach_the_backend_either(name, client, backend, arrived):
    assert client.ask(request(b"GET /echo/q?a=1&" + name + b"=K1&b=2&subscription-keys=x")).status == 200
    assert backend.requests == [arrived(b"GET /base/q?a=1&b=2&subscription-keys=x")]


@pytest.mark.parametrize("name", [b"Subscription-Key", b"SUBSCRIPTION-KEY", b"%53ubscription%2Dkey"])
def test_a_key_under_a_name_in_another_case_opens_nothing_and_is_not_recorded(name, client, gateway):
    target = b"/echo/case?a=1&" + name + b"=K1&b=2"
    assert client.ask(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n").status == 401
    assert gateway.records()[-1].url == b"/echo/case?a=1&b=2"


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((b"Connection: close, X-Drop-Me", b"X-Drop-Me: 1"), id="named by Connection"),
        pytest.param((b"TE: trailers", b"Keep-Alive: 1", b"Proxy-Connection: x"), id="fixed names"),
        pytest.param((b"Connection: Upgrade", b"Upgrade: h2c"), id="upgrade"),
        pytest.param((b"Upgrade: websocket", b"Connection: keep-alive, Upgrade"), id="websocket"),
        pytest.param((b"Connection: Ocp-Apim-Subscription-Key, Host",), id="the key"),
        pytest.param((b"Proxy-Authorization: Basic eA==",), id="credentials for this proxy"),
    ],
)
def test_what_belongs_to_one_connection_stays_behind(lines, client, backend, arrived):
    assert client.ask(request(b"GET /echo/a", *lines)).status == 200
    assert backend.requests == [arrived(b"GET /base/a")]


def test_connection_cannot_take_away_what_the_gateway_adds_or_frames_by(client, backend, arrived):
    lines = (b"Connection: X-Forwarded-For, Content-Length", b"Content-Length: 2", b"X-Forwarded-For: 6.6.6.6")
    assert client.ask(request(b"POST /echo/a", *lines, body=b"ab")).status == 200
    forwarded = FORWARDED.replace(b"For: ", b"For: 6.6.6.6, ", 1)
    assert backend.requests == [arrived(b"POST /base/a", b"Content-Length: 2", forwarded=forwarded, body=b"ab")]


ALIASES = [
    *(b"Content_Length: 9", b"Transfer_Encoding: chunked", b"X_Forwarded_For: 10.0.0.1", b"X-Forwarded_Proto: https"),
    *(
        b"x_real_ip: 10.0.0.1",
        b"X_Request_Id: 7",
        b"Ocp_Apim_Subscription_Key: K1",
        b"Proxy_Authorization: x",
        b"X_Y: 1",
    ),
]


@pytest.mark.parametrize("alias", ALIASES)
def test_an_underscore_makes_no_other_field_of_what_is_the_gateways(alias, client, backend, arrived):
    """Programs behind CGI and WSGI take one for the other."""
    client.ask(request(b"GET /echo/a", alias, b"Connection: x-y", b"My_Own: stays"))
    assert backend.requests == [arrived(b"GET /base/a", b"My_Own: stays")]


def test_an_upgrade_with_a_body_is_answered_without_the_upgrade(client, backend, arrived):
    lines = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMA", b"Content-Length: 2")
    assert client.ask(request(b"POST /echo/a", *lines, body=b"ab") + request(b"GET /echo/b")).status == 200
    assert client.read_response().status == 200
    assert backend.requests[0] == arrived(b"POST /base/a", b"Content-Length: 2", body=b"ab")


@pytest.mark.parametrize(
    ("method", "lines", "body"),
    [
        pytest.param(b"DELETE", (b"Content-Length: 7",), b'{"a":1}', id="DELETE with a body"),
        pytest.param(b"GET", (b"Content-Length: 2",), b"ab", id="GET with a body"),
        pytest.param(b"GET", (), b"", id="GET without"),
        pytest.param(b"DELETE", (), b"", id="DELETE without"),
        pytest.param(b"POST", (b"Content-Length: 0",), b"", id="POST of nothing"),
        pytest.param(b"POST", (), b"", id="POST without a length"),
        pytest.param(b"PURGE", (), b"", id="a method of one's own"),
    ],
)
def test_a_body_is_framed_as_it_came(method, lines, body, client, backend, arrived):
    assert client.ask(request(method + b" /echo/a", *lines, body=body)).status == 200
    assert backend.requests == [arrived(method + b" /base/a", *lines, body=body)]


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"1\r\na\r\n0\r\n\r\n", b"a"),
        (b"0\r\n\r\n", b""),
        (b"1;ext=1\r\na\r\n2\r\nbc\r\n0\r\nTrailer: x\r\n\r\n", b"abc"),
        (b"4\r\n\r\n\r\n\r\n6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n" * 5),
    ],
)
def test_a_chunked_body_stays_chunked(chunks, body, client, backend, arrived):
    answer = client.ask(request(b"POST /echo/a", b"Transfer-Encoding: chunked", body=chunks) + request(b"GET /echo/b"))
    assert answer.status == 200
    assert client.read_response().status == 200
    assert backend.requests[0].startswith(arrived(b"POST /base/a")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n")
    assert backend.bodies[0] == body
    assert backend.requests[1].startswith(b"GET /base/b ")


def test_via_names_the_gateway_after_those_before_it(gateway, client, backend):
    assert client.ask(b"GET /echo/a HTTP/1.0\r\n" + KEY + b"Via: 1.1 first (a, b)\r\nVia:\r\n\r\n").status == 200
    lines = backend.requests[0].split(b"\r\n")
    assert [line for line in lines if line.startswith(b"Via")] == [
        b"Via: 1.1 first (a, b)",
        b"Via:",
        b"Via: 1.0 " + gateway.name,
    ]


def test_a_call_that_comes_back_to_the_gateway_is_a_508(gateway, client, backend):
    answer = client.ask(request(b"GET /echo/loop", b"Via: 1.1 other, 1.1 " + gateway.name + b" (x), 1.1 another"))
    assert answer.status == 508
    assert gateway.record(b"/echo/loop").error_reason == "Loop"
    assert client.ask(request(b"GET /echo/a", b"Via: 1.1 x" + gateway.name)).status == 200
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("method", "sent", "at_the_backend"),
    [
        (b"OPTIONS", b"Max-Forwards: 0", []),
        (b"OPTIONS", b"max-forwards:3 ", [b"Max-Forwards: 2"]),
        (b"OPTIONS", b"Max-Forwards: many", [b"Max-Forwards: many"]),
        (b"GET", b"Max-Forwards: 0", [b"Max-Forwards: 0"]),
    ],
)
def test_options_go_no_further_than_they_may(method, sent, at_the_backend, client, backend):
    for _ in range(2):
        assert client.ask(request(method + b" /echo/a", sent)).status == 200
    lines = [line for line in b"".join(backend.requests).split(b"\r\n") if line.lower().startswith(b"max-")]
    assert lines == at_the_backend * 2
    assert len(backend.requests) == 2 * len(at_the_backend)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        pytest.param(
            (b"Accept-Encoding: gzip, br;q=0.5, *;q=0",),
            b"200 OK\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
            b'ETag: W/"a"\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00',
            id="compressed",
        ),
        pytest.param(
            (b"Range: bytes=2-3", b'If-Range: "a"'),
            b"206 Partial Content\r\nContent-Range: bytes 2-3/9\r\nAccept-Ranges: bytes\r\nContent-Length: 2\r\n\r\nab",
            id="a part",
        ),
        pytest.param(
            (b"Range: bytes=0-1,5-6",),
            b"206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 5\r\n\r\n--x--",
            id="several parts",
        ),
        pytest.param(
            (b"Range: bytes=90-",),
            b"416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
            id="a part that is not there",
        ),
        pytest.param((b'If-None-Match: "a", W/"b"',), b'304 Not Modified\r\nETag: "a"\r\n\r\n', id="not modified"),
        pytest.param((b'If-Match: "a"',), b"412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", id="precondition"),
    ],
)
def test_codings_ranges_and_conditions_are_the_backends_business(asked, answer, client, backend, arrived):
    backend.answer_with(b"HTTP/1.1 " + answer)
    start, _, body = answer.partition(b"\r\n\r\n")
    for _ in range(2):
        got = client.ask(request(b"GET /echo/a", *asked))
        assert got.head.startswith(b"HTTP/1.1 " + start + b"\r\nX-Request-Id: ")
        assert got.body == body
    assert [line in backend.requests[0].split(b"\r\n") for line in asked] == [True] * len(asked)


@pytest.mark.parametrize("reason", [b"", b" "])
def test_a_status_without_a_reason_keeps_its_space(reason, client, backend):
    backend.answer_with(b"HTTP/1.1 200" + reason + b"\r\nContent-Length: 0\r\n\r\n")
    assert client.ask(request(b"GET /echo/a")).head.startswith(b"HTTP/1.1 200 \r\n")


def test_several_set_cookie_lines_stay_several(client, backend):
    cookies = b"Set-Cookie: a=1; expires=Wed, 05 Jun 2030 14:48:15 GMT\r\nset-cookie: b=2\r\n"
    backend.answer_with(b"HTTP/1.1 200 Fine\r\n" + cookies + b"Content-Length: 0\r\n\r\n")
    answer = client.ask(request(b"GET /echo/a"))
    assert answer.head.startswith(b"HTTP/1.1 200 Fine\r\n" + cookies + b"Content-Length: 0\r\nX-Request-Id: ")
    assert answer.all("Set-Cookie") == [b"a=1; expires=Wed, 05 Jun 2030 14:48:15 GMT", b"b=2"]


def test_hop_by_hop_fields_of_the_answer_stay_behind(client, backend):
    lines = b"Connection: x-drop-me\r\nX-Drop-Me: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nTrailer: a\r\n"
    backend.answer_with(b"HTTP/1.1 200 OK\r\n" + lines + b"X-Kept: 1\r\nContent-Length: 0\r\n\r\n")
    answer = client.ask(request(b"GET /echo/a"))
    assert [name for name, _ in answer.headers] == [b"X-Kept", b"Content-Length", b"X-Request-Id", b"Date"]


def test_what_speaks_of_the_backends_host_stays_behind(client, backend):
    lines = b'Alt-Svc: h3=":443"\r\nstrict-transport-security: max-age=9; includeSubDomains\r\n'
    backend.answer_with(b"HTTP/1.1 200 OK\r\n" + lines + b"X-Kept: 1\r\nContent-Length: 0\r\n\r\n")
    answer = client.ask(request(b"GET /echo/a"))
    assert [name for name, _ in answer.headers] == [b"X-Kept", b"Content-Length", b"X-Request-Id", b"Date"]


@pytest.mark.parametrize(
    ("referer", "passed"),
    [
        (b"http://gw/echo/a?x=1&subscription-key=K1&y=2", b"http://gw/echo/a?x=1&y=2"),
        (b"http://gw/echo/a?Subscription-%4bey=K1", b"http://gw/echo/a"),
        (b"http://gw/echo/a?x=1", b"http://gw/echo/a?x=1"),
        (b"http://gw/echo/a", b"http://gw/echo/a"),
    ],
)
def test_a_key_in_the_referer_stays_behind(referer, passed, client, backend):
    client.ask(request(b"GET /echo/a", b"Referer: " + referer))
    assert b"\r\nReferer: " + passed + b"\r\n" in backend.requests[0]


def test_a_key_under_a_name_that_is_encoded_twice_is_another_parameter(client, backend):
    target = b"/echo/a?subscription%252dkey=K1"
    assert client.ask(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n").status == 401
    client.ask(request(b"GET " + target))
    assert b"?subscription%252dkey=K1 HTTP/1.1\r\n" in backend.requests[0]


@pytest.mark.parametrize(
    ("lines", "is_the_backends"),
    [
        pytest.param(b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", True, id="dated by the backend"),
        pytest.param(b"", False, id="not dated"),
        pytest.param(b"Date: x\r\nConnection: date\r\n", False, id="dated for the gateway only"),
    ],
)
def test_every_answer_has_one_date(lines, is_the_backends, client, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")
    for _ in range(2):
        (date,) = client.ask(request(b"GET /echo/a")).all("Date")
        assert parsedate_to_datetime(date.decode())
        assert (date == b"Sun, 06 Nov 1994 08:49:37 GMT") is is_the_backends


@pytest.mark.parametrize(
    ("sent", "framing", "body"),
    [
        pytest.param(b"Content-Length: 2\r\n\r\nok", b"Content-Length: 2", b"ok", id="sized stays sized"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: 1\r\n\r\n",
            b"Transfer-Encoding: chunked",
            b"ok",
            id="chunked stays chunked",
        ),
        pytest.param(b"\r\nok", b"Transfer-Encoding: chunked", b"ok", id="until the end becomes chunked"),
        pytest.param(b"\r\n", b"Transfer-Encoding: chunked", b"", id="nothing until the end"),
    ],
)
def test_the_framing_of_an_answer(sent, framing, body, client, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\n" + sent, then_close=True)
    for _ in range(2):
        answer = client.ask(request(b"GET /echo/a"))
        assert answer.body == body
        assert framing in answer.head.split(b"\r\n")


def test_an_http_1_0_caller_gets_no_chunks(gateway, backend):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    client = gateway.connect()
    client.send(b"GET /echo/a HTTP/1.0\r\nConnection: keep-alive\r\n" + KEY + b"\r\n")
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"ok"
    assert b"Transfer-Encoding" not in head
    assert b"Connection: close" in head


def test_an_http_1_0_caller_can_keep_the_connection(client, backend):
    old = b"GET /echo/a HTTP/1.0\r\nConnection: keep-alive\r\n" + KEY + b"\r\n"
    assert client.ask(old).header("Connection") == b"keep-alive"
    assert client.ask(old.replace(b"Connection: keep-alive\r\n", b"")).header("Connection") == b"close"
    assert client.is_closed()


@pytest.mark.parametrize(
    ("method", "sent", "status", "headers"),
    [
        pytest.param("GET", b"204 No Content\r\nContent-Length: 0\r\n\r\n", 204, {}, id="204 with a length"),
        pytest.param("GET", b"204 No Content\r\n\r\n0\r\n\r\n", 204, {}, id="204 with a chunk after it"),
        pytest.param(
            "GET", b"304 Not Modified\r\nContent-Length: 999\r\n\r\n", 304, {"Content-Length": b"999"}, id="304"
        ),
        pytest.param("HEAD", b"200 OK\r\nContent-Length: 5\r\n\r\n", 200, {"Content-Length": b"5"}, id="HEAD, sized"),
        pytest.param(
            "HEAD", b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, {"Content-Length": None}, id="HEAD, chunked"
        ),
        pytest.param("HEAD", b"200 OK\r\nContent-Length: 5\r\n\r\nwrong", 200, {}, id="HEAD with a body all the same"),
    ],
)
def test_answers_that_end_with_their_head(method, sent, status, headers, client, backend):
    backend.answer_with(b"HTTP/1.1 " + sent)
    for _ in range(2):
        answer = client.ask(request(method.encode() + b" /echo/a"), method)
        assert answer.status == status
        assert answer.header("Transfer-Encoding") is None
        assert {name: answer.header(name) for name in headers} == headers
        if status == 204:
            assert answer.header("Content-Length") is None
    backend.answer_with(OK)
    assert client.ask(request(b"GET /echo/a")).body == b"ok"


def test_interim_answers_come_before_the_final_one(client, backend):
    backend.answer_with(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n" + OK
    )
    answer = client.ask(request(b"GET /echo/a"))
    assert answer.head == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert client.read_response().body == b"ok"


def test_no_interim_answer_for_an_http_1_0_caller(client, backend):
    backend.answer_with(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert client.ask(b"GET /echo/a HTTP/1.0\r\n" + KEY + b"\r\n").status == 200


def test_an_answer_can_come_byte_by_byte(client, backend):
    def drip(connection: BackendConnection) -> None:
        connection.read_request()
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            connection.send(bytes([byte]))

    backend.behave = drip
    assert client.ask(request(b"GET /echo/a")).body == b"abc"


def test_every_answer_has_an_id_of_its_own_that_the_record_has_too(client, backend, gateway):
    backend.answer_with(b"HTTP/1.1 200 OK\r\nX-Request-Id: the backend's\r\nContent-Length: 0\r\n\r\n")
    ids = [client.ask(request(b"GET /echo/a")).all("X-Request-Id") for _ in range(3)]
    assert len({value for (value,) in ids}) == 3
    assert [record.request_id for record in gateway.records()[-3:]] == [value for (value,) in ids]


def test_the_backend_gets_the_id_that_the_caller_gets(client, backend):
    answers = [client.ask(request(b"GET /echo/a", b"x-request-ID: the caller's")) for _ in range(3)]
    assert [id_in(one) for one in backend.requests] == [answer.header("X-Request-Id") for answer in answers]
