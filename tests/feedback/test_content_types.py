"""What may be attached, told by its content, and without what cameras note."""

import struct

import pytest

from feedback.attachments import FILE_LIMIT_BYTES, upload_of
from feedback.content_types import ContentError, examined
from tests.feedback.conftest import chunk, png

SCAN = b"\xff\xda\x00\x04\x01\x02data\xff\x00more\xff\xd0rest"


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0") + b"".join(segments) + SCAN + b"\xff\xd9"


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(one)) + one + b"\0" * (len(one) % 2) for kind, one in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        pytest.param("a.png", png(), "image/png", id="png"),
        pytest.param("A.JPG", jpeg(), "image/jpeg", id="jpeg, in capitals"),
        pytest.param("a.gif", b"GIF89a...", "image/gif", id="gif"),
        pytest.param("a.webp", webp((b"VP8 ", b"x")), "image/webp", id="webp"),
        pytest.param("a.pdf", b"%PDF-1.7\n", "application/pdf", id="pdf"),
        pytest.param("a.json", b'{"a": 1}', "application/json", id="json"),
        pytest.param("a.log", b"\x1b[31mError\x1b[0m\r\n", "text/plain", id="a log with colours"),
        pytest.param("a.txt", "Zürich".encode(), "text/plain", id="text"),
    ],
)
def test_kind_is_told(name, content, media_type):
    kind, kept = examined(name, content)
    assert (kind.media_type, kept) == (media_type, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.html", b"<script>", id="a page"),
        pytest.param("a.svg", b"<svg/>", id="a drawing that can run scripts"),
        pytest.param("a", b"text", id="no extension"),
        pytest.param("a.png", b"<script>", id="a page called a picture"),
        pytest.param("a.txt", b"MZ\x00\x01", id="a program called a text"),
        pytest.param("a.txt", "Zürich".encode("latin-1"), id="no UTF-8"),
        pytest.param("a.json", b"{", id="no JSON"),
        pytest.param("a.json", b"[" * 100_000, id="JSON without an end"),
        pytest.param("a.png", png()[:-8], id="a cut PNG"),
        pytest.param("a.jpg", jpeg()[:-2], id="a cut JPEG"),
        pytest.param("a.jpg", b"\xff\xd8\xff\xe1\xff\xff", id="a segment past the end"),
        pytest.param("a.webp", webp((b"VP8 ", b"x"))[:-4], id="a cut WebP"),
    ],
)
def test_everything_else_is_refused(name, content):
    with pytest.raises(ContentError, match=name):
        examined(name, content)


def test_notes_of_cameras_are_cut_out():
    at_home = b"Exif\0\0GPS at home"
    cases = {
        "a.jpg": (jpeg(segment(0xE1, at_home), segment(0xFE, b"at home")), jpeg()),
        "b.jpg": (jpeg() + b"a second picture, at home", jpeg()),
        "a.png": (png(chunk(b"eXIf", at_home), chunk(b"tEXt", b"Comment\0at home")), png()),
        "a.webp": (
            webp((b"VP8X", b"\x1c" + bytes(9)), (b"VP8 ", b"x"), (b"EXIF", at_home), (b"XMP ", at_home)),
            webp((b"VP8X", b"\x10" + bytes(9)), (b"VP8 ", b"x")),
        ),
    }
    for name, (content, clean) in cases.items():
        assert examined(name, content)[1] == clean


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("../../etc/a.txt", "a.txt"),
        ("C:\\logs\\a.txt", "a.txt"),
        ("a\r\nX-Header: b.txt", "aX-Header: b.txt"),
        ("\u202etxt.a.txt", "txt.a.txt"),
        ("x" * 200 + ".txt", "x" * 96 + ".txt"),
    ],
)
def test_name_is_one_plain_line(name, title):
    assert upload_of(name, b"text", 4).title == title


@pytest.mark.parametrize(("content", "size"), [(b"", 0), (b"x", FILE_LIMIT_BYTES + 1)])
def test_size_is_bounded(content, size):
    with pytest.raises(ContentError):
        upload_of("a.txt", content, size)
