"""What the page shows of an answer; nothing of it is ever run."""

import gzip
import html
import os
import time
import zlib
from pathlib import Path

import pytest

from portal.console import content, downloads
from tests.portal.console.conftest import answer, key_of

XSS = "<script>alert(1)</script>"


def page_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def result_of(response):
    return response.context["result"] if "result" in response.context else response.context["console"].result


def get(browser, url):
    """A download and its content."""
    response = browser.get(url)
    content = b"".join(response.streaming_content) if response.streaming else b""
    return response, content


def status_of(browser, url) -> int:
    return get(browser, url)[0].status_code


def test_status_time_size_url_headers_and_content(send, execute, gateway):
    gateway.answer = answer(b'{"a": [1.10, {}]}', "X-Request-Id: r1", status="201 Made It")
    page = html.unescape(page_of(send(execute, htmx=True)))
    assert "201 Made It" in page
    assert " ms</span>" in page
    assert "17\xa0bytes" in page
    assert "http://api.example.org:8080/echo/services/s1/x?v=2.0&trace=on" in page
    assert "<dt>X-Request-Id</dt><dd>r1</dd>" in page
    assert '{"a": [1.10, {}]}' in page


def test_json_is_laid_out_and_coloured(send, execute, gateway):
    gateway.answer = answer(b'{"a":[1.10,{}]}', type="application/problem+json; charset=utf-8")
    page = page_of(send(execute))
    assert '<span class="nt">"a"</span>' in page
    assert '<span class="mf">1.10</span>' in page


def test_both_set_cookie_lines_are_shown(send, execute, gateway):
    gateway.answer = answer(b"", "Set-Cookie: a=1; expires=Wed, 05 Jun 2030 14:48:15 GMT", "Set-Cookie: b=2; HttpOnly")
    assert [value for name, value in result_of(send(execute)).headers if name == "Set-Cookie"] == [
        "a=1; expires=Wed, 05 Jun 2030 14:48:15 GMT",
        "b=2; HttpOnly",
    ]


@pytest.mark.parametrize(
    "type", ["text/html", "application/json", "text/plain", "image/svg+xml", "application/xml", ""]
)
def test_content_is_never_run(send, execute, gateway, type):
    gateway.answer = answer(f'{XSS}<img src=x onerror="alert(1)">'.encode(), type=type)
    for htmx in (True, False):
        page = page_of(send(execute, htmx=htmx))
        assert XSS not in page
        assert "<img src=x" not in page


def test_hostile_head_is_never_run(send, execute, gateway):
    gateway.answer = answer(XSS.encode(), f"X-{XSS[1:7]}: {XSS}", f"X-Request-Id: {XSS}", status=f"500 {XSS}")
    assert XSS not in page_of(send(execute, htmx=True))


def test_hostile_inputs_are_never_run(send, execute, gateway):
    for fields in ({"template:service": f'"{XSS}', "body": f"</textarea>{XSS}"}, {"template:service": "", "body": XSS}):
        assert XSS not in send(execute, fields).content.decode()


def test_the_key_is_not_on_the_page_even_if_it_comes_back(send, execute, gateway, alice, alices):
    key = key_of(alices)
    gateway.answer = answer(b"{}", f"X-Echo: {key}")
    for htmx in (True, False):
        page = page_of(send(execute, {"subscription": str(alices.pk)}, by=alice, htmx=htmx))
        assert key not in page
        assert "<dd>••••••••</dd>" in page


@pytest.mark.parametrize(
    ("body", "type", "shown", "note"),
    [
        pytest.param(
            "é".encode("latin-1"), "text/plain; charset=utf-8", "\ufffd", "Bytes that are not utf-8", id="wrong charset"
        ),
        pytest.param("é".encode("latin-1"), "text/plain; charset=iso-8859-1", "é", "", id="latin-1"),
        pytest.param("é".encode("utf-16"), "text/plain; charset=utf-16", "é", "", id="utf-16"),
        pytest.param("é".encode(), "text/plain; charset=base64", "é", "is not known", id="a codec that is no charset"),
        pytest.param("é".encode(), "text/plain; charset=<b>", "é", "is not known", id="an unknown charset"),
        pytest.param("\ufeffé".encode(), "text/plain", "é", "", id="byte order mark"),
        pytest.param("é".encode(), "", "é", "", id="no type, but text"),
    ],
)
def test_charsets(send, execute, gateway, body, type, shown, note):
    gateway.answer = answer(body, type=type)
    result = result_of(send(execute))
    assert result.content.text == shown
    assert note in " ".join(result.notes)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("identity", bytes),
    ],
)
def test_compressed_content_is_decompressed(send, execute, gateway, coding, encode):
    gateway.answer = answer(encode(b'{"a":1}'), f"Content-Encoding: {coding}")
    assert result_of(send(execute)).content.text == '{"a":1}'


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "gzip"])
def test_content_that_cannot_be_decompressed_is_offered_as_it_came(send, execute, gateway, coding):
    gateway.answer = answer(b"not gzip", f"Content-Encoding: {coding}")
    result = result_of(send(execute))
    assert result.content.kind is content.Kind.BINARY
    assert "it is offered as it came" in result.notes[0]


def test_bomb_is_cut_at_the_limit(send, execute, gateway, settings):
    settings.CONSOLE_RESPONSE_LIMIT_BYTES = 100_000
    gateway.answer = answer(gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip", type="text/plain")
    result = result_of(send(execute))
    assert len(result.content.body) == 100_000
    assert result.notes == ("Decompressed (gzip) up to the console's limit of 97.7\xa0KB; there is more.",)


def test_download_of_a_bomb_is_not_called_whole(send, execute, gateway, settings, monkeypatch):
    settings.CONSOLE_RESPONSE_LIMIT_BYTES = 100_000
    monkeypatch.setattr(content, "SHOWN_BYTES", 1000)
    gateway.answer = answer(gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip", type="text/plain")
    page = page_of(send(execute))
    assert "The download has all that the console read." in page
    assert "The download has all of it." not in page


def test_half_of_a_compressed_body_is_told_from_one_over_the_limit(send, execute, gateway):
    half = gzip.compress(os.urandom(5000))[:2000]
    gateway.answer = answer(half, "Content-Encoding: gzip", type="application/octet-stream")
    assert "has no end" in result_of(send(execute)).notes[0]


def test_answer_over_the_limit_is_cut(send, execute, gateway, settings):
    settings.CONSOLE_RESPONSE_LIMIT_BYTES = 1024
    gateway.answer = answer(b"x" * 5000, type="text/plain")
    result = result_of(send(execute))
    assert len(result.content.text) == 1024
    assert result.notes == ("The console reads at most 1.0\xa0KB; the answer goes on beyond that.",)


def test_long_text_is_shown_in_part_and_offered_whole(send, execute, gateway, monkeypatch):
    monkeypatch.setattr(content, "SHOWN_BYTES", 5)
    gateway.answer = answer("éééé".encode(), type="text/plain; charset=utf-8")
    response = send(execute)
    result = result_of(response)
    assert result.content.text == "éé"
    assert get(response.client, result.download.url)[1] == "éééé".encode()


def test_binary_content_is_a_download_that_no_browser_shows(send, execute, gateway):
    body = bytes(range(256))
    gateway.answer = answer(body, 'Content-Disposition: inline; filename="../a b.bin"', type="text/html")
    response = send(execute)
    assert "Download a b.bin" in page_of(response)
    got, whole = get(response.client, result_of(response).download.url)
    assert whole == body
    assert got["Content-Type"] == "application/octet-stream"
    assert got["Content-Disposition"] == 'attachment; filename="a b.bin"'
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_download_is_only_for_whoever_made_the_call(send, execute, gateway, alice, mallory, signed_in, client):
    gateway.answer = answer(b"\0", type="")
    url = result_of(send(execute, by=alice)).download.url
    assert status_of(signed_in(alice), url) == 200
    assert status_of(signed_in(mallory), url) == 404
    assert status_of(client, url) == 404


def test_guest_gets_his_download(send, execute, gateway, client, signed_in, mallory):
    gateway.answer = answer(b"\0", type="")
    url = result_of(send(execute)).download.url
    assert status_of(client, url) == 200
    assert status_of(signed_in(mallory), url) == 404


def test_downloads_are_few_and_short_lived(send, execute, gateway, alice, signed_in):
    gateway.answer = answer(b"\0", type="")
    urls = [result_of(send(execute, by=alice)).download.url for _ in range(downloads.KEPT_PER_PERSON + 1)]
    assert [status_of(signed_in(alice), url) for url in urls] == [404] + [200] * downloads.KEPT_PER_PERSON
    for file in _kept_files():
        os.utime(file, (0, time.time() - downloads.KEPT_SECONDS - 1))
    assert status_of(signed_in(alice), urls[-1]) == 404
    send(execute, by=alice)
    assert len(_kept_files()) == 1


def _kept_files() -> list[Path]:
    return [file for folder in downloads._root().iterdir() for file in folder.iterdir()]


@pytest.fixture(autouse=True)
def own_data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.mark.parametrize(
    ("disposition", "target", "media_type", "name"),
    [
        ('attachment; filename="a.pdf"', "/x", "application/pdf", "a.pdf"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20a.txt", "/x", "text/plain", "_ a.txt"),
        ('attachment; filename="..\\..\\a.exe"', "/x", "", "a.exe"),
        ('attachment; filename="a\r\nb"', "/x", "", "a b"),
        ("attachment", "/jobs/report?x=/y.z", "application/pdf", "report.pdf"),
        ("", "/", "image/jpeg", "response.jpg"),
        ("", "/..", "application/octet-stream", "response"),
        ("", "/x", "application/vnd.<b>", "x"),
        ("", "/" + "x" * 300, "", "x" * 100),
    ],
)
def test_name_of_a_download(disposition, target, media_type, name):
    assert content.file_name(disposition, target, media_type) == name


def test_picture_is_shown(send, execute, gateway):
    gateway.answer = answer(b"\x89PNG\r\n\x1a\n\0", type="image/png")
    assert 'src="data:image/png;base64,iVBORw0KGgoA"' in page_of(send(execute))


@pytest.mark.parametrize(("method", "note"), [("HEAD", "HEAD asks for the headers only."), ("GET", "has no content")])
def test_answer_without_content(send, operation_of, gateway, method, note):
    gateway.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert note in page_of(send(operation_of(method, "/x")))
