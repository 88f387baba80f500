"""What a file is, by its content: those few kinds that may be attached, and without what they tell of their maker.

Cameras note place and time in a picture (EXIF, XMP, IPTC); these notes are cut out.
A file that is not what its name says is refused, so that nobody opens a page or program in place of a log.
"""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _


class ContentError(ValueError):
    """The file cannot be attached; the text says why and is meant for the user."""


@dataclass(frozen=True, slots=True)
class ContentType:
    media_type: str
    extensions: tuple[str, ...]
    # How the content begins, as pairs of an offset and bytes. Empty: text.
    signature: tuple[tuple[int, bytes], ...] = ()

    def begins(self, content: bytes) -> bool:
        return bool(self.signature) and all(content.startswith(mark, at) for at, mark in self.signature)


PNG = ContentType("image/png", (".png",), ((0, b"\x89PNG\r\n\x1a\n"),))
JPEG = ContentType("image/jpeg", (".jpg", ".jpeg"), ((0, b"\xff\xd8\xff"),))
GIF = ContentType("image/gif", (".gif",), ((0, b"GIF8"),))
WEBP = ContentType("image/webp", (".webp",), ((0, b"RIFF"), (8, b"WEBP")))
PDF = ContentType("application/pdf", (".pdf",), ((0, b"%PDF-"),))
JSON = ContentType("application/json", (".json",))
TEXT = ContentType("text/plain", (".txt", ".log"))
KNOWN = (PNG, JPEG, GIF, WEBP, PDF, JSON, TEXT)
EXTENSIONS = tuple(extension for one in KNOWN for extension in one.extensions)

# Besides tabs and line ends, logs have the escapes of colours in them.
_NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\r\x0c\x1b")


def examined(name: str, content: bytes) -> tuple[ContentType, bytes]:
    """What the file is, and its content as it may be kept. Raises ContentError."""
    by_name = next((one for one in KNOWN if name.lower().endswith(one.extensions)), None)
    if by_name is None:
        raise ContentError(_("%(name)s: only these can be attached: %(extensions)s.") % _named(name))
    if by_name.signature:
        if not by_name.begins(content):
            raise ContentError(_("%(name)s: its content is not what its name says.") % _named(name))
    elif not _is_text(content) or (by_name is JSON and not _is_json(content)):
        raise ContentError(_("%(name)s: its content is not what its name says.") % _named(name))
    try:
        return by_name, _WITHOUT_NOTES.get(by_name.media_type, bytes)(content)
    except (ValueError, IndexError, struct.error) as error:
        raise ContentError(_("%(name)s: the picture is damaged.") % _named(name)) from error


def _named(name: str) -> dict[str, str]:
    return {"name": name, "extensions": " ".join(EXTENSIONS)}


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return _NO_TEXT.isdisjoint(content)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _png_without_notes(content: bytes) -> bytes:
    """Keeps the chunks that make the picture (PNG, 5.6): those that are critical, and these."""
    kept = {b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"bKGD", b"sBIT", b"acTL", b"fcTL", b"fdAT"}
    pieces, at = [content[:8]], 8
    while True:
        length = struct.unpack_from(">I", content, at)[0]
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            raise ValueError("a chunk is cut")
        if kind[:1].isupper() or kind in kept:
            pieces.append(content[at:end])
        if kind == b"IEND":
            return b"".join(pieces)
        at = end


def _jpeg_without_notes(content: bytes) -> bytes:
    """Leaves out comments and what applications add, but for what says how colours are meant (JFIF, ICC, Adobe).

    What follows the end of the picture goes too: there cameras put a second one.
    """
    pieces = [content[:2]]
    for marker, segment in _jpeg_segments(content):
        is_note = marker == 0xFE or (0xE0 <= marker <= 0xEF and marker not in (0xE0, 0xEE))
        if not is_note or segment.startswith(b"ICC_PROFILE\0", 4):
            pieces.append(segment)
    return b"".join(pieces)


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with all up to the next one (ITU-T T.81, B.1.1)."""
    at = 2
    while True:
        if content[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = content[at + 1]
        if marker == 0xFF:  # Fill.
            at += 1
            continue
        if marker == 0xD9:
            yield marker, content[at : at + 2]
            return
        end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
        if end > len(content):
            raise ValueError("a segment is cut")
        if marker == 0xDA:
            end = _end_of_scan(content, end)
        yield marker, content[at:end]
        at = end


def _end_of_scan(content: bytes, at: int) -> int:
    """Where the next marker is; within a scan, 0xFF00 and the restart markers are none."""
    while True:
        at = content.index(b"\xff", at)
        following = content[at + 1]
        if following != 0 and not 0xD0 <= following <= 0xD7:
            return at
        at += 2


def _webp_without_notes(content: bytes) -> bytes:
    pieces, at = [], 12
    total = 8 + struct.unpack_from("<I", content, 4)[0]
    if total > len(content):
        raise ValueError("the file is cut")
    while at < total:
        kind, length = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        end = at + 8 + length + length % 2
        if end > total:
            raise ValueError("a chunk is cut")
        if kind == b"VP8X":
            # Its flags say that notes follow, which they do no more: EXIF 0x08, XMP 0x04.
            pieces.append(content[at : at + 8] + bytes([content[at + 8] & ~0x0C]) + content[at + 9 : end])
        elif kind not in (b"EXIF", b"XMP "):
            pieces.append(content[at:end])
        at = end
    body = b"WEBP" + b"".join(pieces)
    return b"RIFF" + struct.pack("<I", len(body)) + body


_WITHOUT_NOTES: dict[str, Callable[[bytes], bytes]] = {
    PNG.media_type: _png_without_notes,
    JPEG.media_type: _jpeg_without_notes,
    WEBP.media_type: _webp_without_notes,
}
