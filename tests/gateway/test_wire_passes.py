"""What a call looks like at the backend, and its answer at the caller, byte for byte."""

import pytest

HOST = b"Host: api.test\r\n"
KEY = b"Ocp-Apim-Subscription-Key: K1\r\n"


def request(start: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    return start + b" HTTP/1.1\r\n" + HOST + KEY + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def test_the_backend_gets_its_own_host_and_the_caller_in_x_forwarded(client, backend):
    client.ask(request(b"GET /echo/files/%80%81/meta?b=2&a=1+2%2B3", b"aCCept:  */* "))
    assert backend.requests == [
        b"GET /base/files/%80%81/meta?b=2&a=1+2%2B3 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(backend.port).encode() + b"\r\n"
        b"aCCept:  */* \r\n"
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: api.test\r\n\r\n"
    ]
