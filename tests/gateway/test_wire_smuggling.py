"""Bytes that servers have disagreed about: the backend gets the one request that they are, or nothing.

`test_wire_framing` has the rules one by one; here the whole way is watched from both ends. What the
backend gets is read by another implementation too.
"""

import pytest

from tests.fuzz.requests import read_by_h11
from tests.gateway.raw import Backend

HOST = b"Host: a\r\n"
KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"
POST = b"POST /echo/a HTTP/1.1\r\n" + HOST + KEY
GET = b"GET /echo/a HTTP/1.1\r\n" + HOST + KEY
SMUGGLED = b"GET /echo/smuggled HTTP/1.1\r\n" + HOST + KEY + b"\r\n"
SIZED = b"Content-Length: %d\r\n" % len(SMUGGLED)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IN_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)


def received(backend: Backend) -> list[tuple[bytes, bytes]]:
    """Target and body of all requests that another reader finds in what the backend got; no byte is left over."""
    found = []
    for connection in backend.connections:
        reading = read_by_h11(connection.log)
        assert reading.status == 0
        assert reading.messages == reading.whole
        found += [(message.target, message.body) for message in reading.whole]
    return found


REFUSED = {
    "a folded coding": POST + SIZED + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + IN_CHUNKS,
    "a coding folded by a tab": POST + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n" + IN_CHUNKS,
    "a folded length": POST + b"Content-Length:\r\n 5\r\n\r\n" + SMUGGLED,
    "a length that goes on in the next line": POST + b"Content-Length: 5\r\n 0\r\n\r\n" + SMUGGLED,
    "a first line that is folded": b"POST /echo/a HTTP/1.1\r\n Content-Length: 5\r\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "a coding in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + IN_CHUNKS,
    "a coding with a parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + IN_CHUNKS,
    "a coding with a comma behind it": POST + b"Transfer-Encoding: chunked,\r\n\r\n" + IN_CHUNKS,
    "a coding with a comma before it": POST + b"Transfer-Encoding: ,chunked\r\n\r\n" + IN_CHUNKS,
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
    "identity and a length": POST + SIZED + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
    "chunked, then identity": POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + IN_CHUNKS,
    "identity, then chunked": POST + b"Transfer-Encoding: identity\r\n" + CHUNKED + b"\r\n" + IN_CHUNKS,
    "gzip": POST + b"Transfer-Encoding: gzip\r\n\r\n" + SMUGGLED,
    "chunked, then gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + IN_CHUNKS,
    "a coding with a null byte": POST + b"Transfer-Encoding: chunked\0\r\n\r\n" + IN_CHUNKS,
    "a coding behind a space that is none": POST + b"Transfer-Encoding: \xa0chunked\r\n\r\n" + IN_CHUNKS,
    "a coding behind a form feed": POST + b"Transfer-Encoding: \x0cchunked\r\n\r\n" + IN_CHUNKS,
    "a coding spelled with a long s": POST + "Transfer-Encoding: chunked\u017f\r\n\r\n".encode() + IN_CHUNKS,
    "a coding twice, spelled apart": POST + CHUNKED + b"transfer-encoding: chunked\r\n\r\n" + IN_CHUNKS,
    "a length in another script": POST + "Content-Length: \uff15\r\n\r\n".encode() + SMUGGLED,
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\n" + SMUGGLED,
    "a length with a fraction": POST + b"Content-Length: 5.0\r\n\r\n" + SMUGGLED,
    "a length with a comma": POST + b"Content-Length: 5,\r\n\r\n" + SMUGGLED,
    "a length with a semicolon": POST + b"Content-Length: 5;a\r\n\r\n" + SMUGGLED,
    "a length behind a form feed": POST + b"Content-Length: \x0c5\r\n\r\n" + SMUGGLED,
    "a length past 64 bits": POST + b"Content-Length: %d\r\n\r\n" % (2**64 + 5) + SMUGGLED,
    "equal lengths in a list": POST + b"Content-Length: 5,5\r\n\r\n" + SMUGGLED,
    "a length of 0 and another": POST + b"Content-Length: 0\r\n" + SIZED + b"\r\n" + SMUGGLED,
    "a tab before the colon": POST + b"Content-Length\t: 5\r\n\r\n" + SMUGGLED,
    "a null byte before the colon": POST + b"Content-Length\0: 5\r\n\r\n" + SMUGGLED,
    "a name with a space": POST + b"Content Length: 5\r\n\r\n" + SMUGGLED,
    "a name behind a vertical tab": POST + b"\x0bTransfer-Encoding: chunked\r\n\r\n" + IN_CHUNKS,
    "a name that ends in a space that is none": POST + b"Transfer-Encoding\xa0: chunked\r\n\r\n" + IN_CHUNKS,
    "a line that ends in two CR": POST + b"X: a\r\r\n" + CHUNKED + b"\r\n" + IN_CHUNKS,
    "a head that ends in CR CR LF": POST + b"\r\r\n" + SMUGGLED,
    "a head that ends in LF CR LF": POST + b"X: a\n\r\n" + SMUGGLED,
    "a head that ends in LF LF": POST + b"X: a\n\n" + SMUGGLED,
    "a coding behind a bare CR": POST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n" + IN_CHUNKS,
    "a coding behind a bare LF": POST + b"X: a\nTransfer-Encoding: chunked\r\n\r\n" + IN_CHUNKS,
    "a request line that ends in LF": b"POST /echo/a HTTP/1.1\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "a request line that ends in CR": b"POST /echo/a HTTP/1.1\r" + HOST + KEY + b"\r\n" + SMUGGLED,
    "a request without a version": b"GET /echo/a\r\n" + SMUGGLED,
    "a version in lower case": b"GET /echo/a http/1.1\r\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "a version of two digits": b"GET /echo/a HTTP/1.11\r\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
    "HTTP/2.0": b"GET /echo/a HTTP/2.0\r\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "HTTP/1.0 with a coding and a length": POST.replace(b"/1.1", b"/1.0") + SIZED + CHUNKED + b"\r\n" + IN_CHUNKS,
    "Expect and both framings": POST + b"Expect: 100-continue\r\n" + SIZED + CHUNKED + b"\r\n" + IN_CHUNKS,
    "an absolute target with CR in it": b"GET http://a/echo\r/a HTTP/1.1\r\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "an absolute target with a user": b"GET http://a@b/echo/a HTTP/1.1\r\n" + HOST + KEY + b"\r\n" + SMUGGLED,
    "a Host with a line of its own": GET.replace(b"Host: a", b"Host: a\r\n b") + b"\r\n" + SMUGGLED,
    "two Hosts, spelled apart": GET + b"host: b\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)
def test_where_the_end_of_a_message_is_in_doubt_nothing_goes_on(payload, client, backend):
    client.send(payload)
    answer = client.read_response()
    assert answer.status in (400, 505)
    assert answer.header("Connection") == b"close"
    assert client.is_closed()
    assert received(backend) == []


ONE_REQUEST = {
    "a length with zeros before it": (POST + b"Content-Length: 0005\r\n\r\nabcde", b"abcde"),
    "a length with blanks around it": (POST + b"Content-Length: \t 5 \t\r\n\r\nabcde", b"abcde"),
    "a length without a blank": (POST + b"Content-Length:5\r\n\r\nabcde", b"abcde"),
    "Content_Length": (POST + b"Content-Length: 5\r\nContent_Length: 0\r\n\r\nabcde", b"abcde"),
    "only Content_Length": (POST + b"Content_Length: 5\r\n\r\n", b""),
    "Transfer_Encoding": (POST + SIZED + b"Transfer_Encoding: chunked\r\n\r\n" + SMUGGLED, SMUGGLED),
    "Content.Length": (POST + b"Content-Length: 5\r\nContent.Length: 0\r\n\r\nabcde", b"abcde"),
    "X-Content-Length": (POST + b"X-Content-Length: 9\r\nContent-Length: 5\r\n\r\nabcde", b"abcde"),
    "a request in a field": (GET + b"X: GET /echo/smuggled HTTP/1.1\r\n\r\n", b""),
    "a request in a sized body": (POST + SIZED + b"\r\n" + SMUGGLED, SMUGGLED),
    "a request in a chunk": (POST + CHUNKED + b"\r\n" + IN_CHUNKS, SMUGGLED),
    "the end of chunks in a chunk": (POST + CHUNKED + b"\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
    "a chunk of many zeros": (POST + CHUNKED + b"\r\n0000000000000001\r\na\r\n0000000000000000\r\n\r\n", b"a"),
    "a chunk with an extension in quotes": (POST + CHUNKED + b'\r\n1;a="b;0"\r\na\r\n0;x\r\n\r\n', b"a"),
    "trailers that frame": (
        POST + CHUNKED + b"\r\n1\r\na\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: b\r\n\r\n",
        b"a",
    ),
    "trailers with underscores": (POST + CHUNKED + b"\r\n1\r\na\r\n0\r\nContent_Length: 9\r\n\r\n", b"a"),
    "a GET with a body": (GET + SIZED + b"\r\n" + SMUGGLED, SMUGGLED),
    "a GET with chunks": (GET + CHUNKED + b"\r\n" + IN_CHUNKS, SMUGGLED),
    "Connection names the length": (POST + b"Connection: Content-Length\r\n" + SIZED + b"\r\n" + SMUGGLED, SMUGGLED),
    "Connection names the coding": (
        POST + b"Connection: Transfer-Encoding, Host\r\n" + CHUNKED + b"\r\n" + IN_CHUNKS,
        SMUGGLED,
    ),
    "Expect with its body at once": (POST + b"Expect: 100-continue\r\n" + SIZED + b"\r\n" + SMUGGLED, SMUGGLED),
    "Expect in HTTP/1.0": (
        POST.replace(b"/1.1", b"/1.0") + b"Expect: 100-continue\r\n" + SIZED + b"\r\n" + SMUGGLED,
        SMUGGLED,
    ),
    "an upgrade with a body": (
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + SIZED + b"\r\n" + SMUGGLED,
        SMUGGLED,
    ),
    "an absolute target of another host": (b"GET http://evil/echo/a HTTP/1.1\r\n" + HOST + KEY + b"\r\n", b""),
    "an absolute target without Host in 1.0": (b"GET http://evil/echo/a HTTP/1.0\r\n" + KEY + b"\r\n", b""),
    "an encoded line end": (GET.replace(b"/a ", b"/a%0d%0aX:%20b ") + b"\r\n", b""),
    "a version to come": (GET.replace(b"/1.1", b"/1.7") + b"\r\n", b""),
}


@pytest.mark.parametrize(("payload", "body"), ONE_REQUEST.values(), ids=ONE_REQUEST)
def test_what_is_one_request_is_one_for_the_backend(payload, body, client, backend):
    client.send(payload)
    answer = client.read_response()
    while answer.status == 100:
        answer = client.read_response()
    assert answer.status == 200
    assert backend.bodies == [body]
    ((target, found),) = received(backend)
    assert target.startswith(b"/base/a")
    assert found == body
    (request,) = backend.requests
    head = request[: request.index(b"\r\n\r\n") + 2].lower()
    assert head.count(b"\r\nhost: ") == 1
    assert head.count(b"\r\ncontent-length:") + head.count(b"\r\ntransfer-encoding:") == bool(body)
    assert b"_length" not in head
    assert b"_encoding" not in head


AFTER = [
    pytest.param(payload, body, id=name)
    for name, (payload, body) in ONE_REQUEST.items()
    if b"HTTP/1.0\r\n" not in payload
]


@pytest.mark.parametrize(("payload", "body"), AFTER)
def test_what_follows_it_is_the_next_request(payload, body, client, backend):
    """Neither side keeps a byte of the one for the other."""
    client.send(payload + GET + b"X-Second: 1\r\n\r\n")
    statuses = []
    while statuses.count(200) < 2:
        statuses.append(client.read_response().status)
    assert set(statuses) <= {100, 200}
    assert backend.bodies == [body, b""]
    assert [found for _, found in received(backend)] == [body, b""]
    assert b"X-Second: 1" in backend.requests[1]
    assert b"X-Second" not in backend.requests[0]


CUT_OFF = {
    "within a sized body": POST + b"Content-Length: 900\r\n\r\n" + SMUGGLED,
    "within a chunk": POST + CHUNKED + b"\r\nff\r\n" + SMUGGLED,
    "within a chunk's size": POST + CHUNKED + b"\r\n1\r\na\r\n5",
    "before the last chunk's end": POST + CHUNKED + b"\r\n1\r\na\r\n0\r\n",
    "within the trailers": POST + CHUNKED + b"\r\n1\r\na\r\n0\r\nX: y\r\n",
}


@pytest.mark.parametrize("payload", CUT_OFF.values(), ids=CUT_OFF)
def test_a_request_that_is_cut_off_is_no_whole_one_for_the_backend(payload, client, gateway, backend):
    client.send(payload)
    client.close()
    assert gateway.ask(GET + b"X-Second: 1\r\n\r\n").status == 200
    assert backend.bodies == [b""]
    whole = [read_by_h11(connection.log) for connection in backend.connections]
    assert [len(reading.whole) for reading in whole if reading.whole] == [1]
    assert b"smuggled" not in b"".join(message.target for reading in whole for message in reading.messages)
