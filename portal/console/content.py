"""Turns the body of an answer into what the page can show. Nothing of it is ever run."""

import re
from base64 import b64encode
from dataclasses import dataclass
from email.message import Message
from enum import Enum

from django.template.defaultfilters import filesizeformat
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers.data import JsonLexer

from portal.console import json_layout
from portal.console.decompress import CodingError, Decompressed, decompress
from portal.markup_lexer import MarkupLexer

SHOWN_BYTES = 1_000_000
# Highlighting wraps each token in an element; beyond this, a browser feels it.
HIGHLIGHTED_CHARACTERS = 200_000
PICTURE_BYTES = 1_000_000

_JSON = re.compile(r"(?:application|text)/(?:.+\+)?json|application/(?:x-)?ndjson")
_XML = re.compile(r"(?:application|text)/(?:.+\+)?xml")
_TEXT = re.compile(
    r"text/.*|application/(?:.*\+)?(?:javascript|ecmascript|yaml|x-yaml|toml|sql|graphql|x-www-form-urlencoded|jwt|http)"
)
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BINARY_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WHITESPACE = re.compile(r'<span class="w">(\s*)</span>')
_EXTENSION = re.compile(r"[a-z0-9]{1,10}")
_EXTENSIONS = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/xml": "xml",
    "application/zip": "zip",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "text/html": "html",
    "text/plain": "txt",
    "text/xml": "xml",
}


class Kind(Enum):
    EMPTY = "empty"
    JSON = "JSON"
    XML = "XML"
    HTML = "HTML"
    TEXT = "text"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class Content:
    """`text` is the body as it came, `formatted` the same laid out or coloured (HTML, safe to show).

    `body` is what came, without its content coding; `is_whole` says that decompressing left out
    nothing. `picture` is a data URL. `is_lossy` says that some bytes of the body are no characters,
    so that `text` does not hold them.
    """

    kind: Kind
    body: bytes
    media_type: str = ""
    text: str = ""
    formatted: SafeString | None = None
    picture: str = ""
    shown_bytes: int = 0
    is_whole: bool = True
    is_lossy: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_long(self) -> bool:
        return len(self.text) > HIGHLIGHTED_CHARACTERS

    @property
    def is_cut(self) -> bool:
        return self.kind not in (Kind.EMPTY, Kind.BINARY) and self.shown_bytes < len(self.body)


def content_of(body: bytes, content_type: str, content_encoding: str, limit: int) -> Content:
    """What to show of a body; `limit` bounds it once decompressed."""
    media_type, charset = _parse(content_type)
    try:
        plain = decompress(body, content_encoding, limit)
    except CodingError as error:
        return Content(
            Kind.BINARY,
            body,
            media_type,
            notes=(str(error),),
        )
    if not plain.body:
        return Content(Kind.EMPTY, b"", media_type)
    notes = _notes_on_decompression(plain, body, content_encoding)
    if not _is_text(plain.body, media_type, charset):
        return Content(
            Kind.BINARY,
            plain.body,
            media_type,
            picture=_picture(plain.body, media_type),
            is_whole=plain.is_whole,
            notes=notes,
        )
    shown = plain.body[:SHOWN_BYTES]
    text, decoding_note = _decoded(shown, charset, is_cut=len(shown) < len(plain.body))
    kind = _kind(media_type, text)
    return Content(
        kind,
        plain.body,
        media_type,
        text=text,
        formatted=_formatted(kind, text) if len(shown) == len(plain.body) else None,
        shown_bytes=len(shown),
        is_whole=plain.is_whole,
        is_lossy="\ufffd" in text,
        notes=notes + decoding_note,
    )


def file_name(disposition: str, target: str, media_type: str) -> str:
    """What a download is called: as the answer says, else after the last piece of the path."""
    header = Message()
    header["Content-Disposition"] = re.sub(r"[\r\n]+", " ", disposition) or "attachment"
    name = header.get_filename() or target.partition("?")[0].rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9._ \-]+", "_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(" .")[-100:]
    name = name or "response"
    extension = _EXTENSIONS.get(media_type) or media_type.rpartition("/")[2].rpartition("+")[2]
    if "." not in name and _EXTENSION.fullmatch(extension) and extension != "octet-stream":
        name += f".{extension}"
    return name


def _parse(content_type: str) -> tuple[str, str]:
    """Media type and charset, in lower case, empty where there is none."""
    header = Message()
    header["Content-Type"] = re.sub(r"[\r\n]+", " ", content_type)
    charset = header.get_param("charset", "")
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type, charset.lower() if isinstance(charset, str) else ""


def _notes_on_decompression(plain: Decompressed, body: bytes, content_encoding: str) -> tuple[str, ...]:
    sizes = (filesizeformat(len(body)), filesizeformat(len(plain.body)))
    if plain.is_cut:
        return (
            _("Decompressed (%(coding)s) up to the console's limit of %(plain)s; there is more.")
            % {"coding": content_encoding, "plain": sizes[1]},
        )
    if plain.is_broken:
        return (
            _("The compressed content (%(coding)s) has no end: %(plain)s could be made of its %(compressed)s.")
            % {"coding": content_encoding, "plain": sizes[1], "compressed": sizes[0]},
        )
    if plain.body is not body:
        return (
            _("Decompressed (%(coding)s) from %(compressed)s to %(plain)s.")
            % {"coding": content_encoding, "compressed": sizes[0], "plain": sizes[1]},
        )
    return ()


def _is_text(body: bytes, media_type: str, charset: str) -> bool:
    head = body[:4096]
    if _BINARY_CONTROL.search(head) and not charset.startswith("utf-16") and not charset.startswith("utf-32"):
        return False
    if _JSON.fullmatch(media_type) or _XML.fullmatch(media_type) or _TEXT.fullmatch(media_type):
        return True
    if media_type:
        return False
    try:
        head[:-4].decode() if len(body) > len(head) else head.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(shown: bytes, charset: str, *, is_cut: bool) -> tuple[str, tuple[str, ...]]:
    notes = []
    try:
        text = shown.decode(charset or "utf-8-sig", "replace")
    except (LookupError, ValueError, AssertionError):
        # Unknown, or a codec that is none of characters, such as base64.
        notes.append(
            _("The charset %(charset)s is not known; the text is read as UTF-8.") % {"charset": repr(charset[:40])}
        )
        text = shown.decode("utf-8-sig", "replace")
    if is_cut:
        text = text.rstrip("\ufffd")
    if "\ufffd" in text:
        notes.append(_("Bytes that are not %(charset)s are shown as �.") % {"charset": (charset or "UTF-8")[:40]})
    return text, tuple(notes)


def _kind(media_type: str, text: str) -> Kind:
    if _JSON.fullmatch(media_type):
        return Kind.JSON
    if media_type in ("text/html", "application/xhtml+xml"):
        return Kind.HTML
    if _XML.fullmatch(media_type):
        return Kind.XML
    if media_type in ("", "text/plain") and text.lstrip()[:1] in ("{", "["):
        return Kind.JSON
    return Kind.TEXT


def _formatted(kind: Kind, text: str) -> SafeString | None:
    """The text laid out and coloured, where that can be done; None leaves it as it came."""
    if kind is Kind.JSON:
        try:
            text = json_layout.lay_out(text)
        except ValueError:
            return None
        return _highlighted(text, JsonLexer())
    return _highlighted(text, MarkupLexer()) if kind in (Kind.XML, Kind.HTML) else None


def _highlighted(text: str, lexer: Lexer) -> SafeString:
    if len(text) > HIGHLIGHTED_CHARACTERS:
        return escape(text)
    coloured = highlight(text, lexer, HtmlFormatter(nowrap=True))
    return mark_safe(_WHITESPACE.sub(r"\1", coloured))  # noqa: S308  # Pygments escapes its input.


def _picture(body: bytes, media_type: str) -> str:
    if media_type not in _PICTURES or len(body) > PICTURE_BYTES:
        return ""
    return f"data:{media_type};base64,{b64encode(body).decode()}"
