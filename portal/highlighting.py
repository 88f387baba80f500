"""Examples with Pygments' classes around their parts; css/code.css gives the colours."""

import json

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import JsonLexer, YamlLexer

from portal.markup_lexer import MarkupLexer

LIMIT_CHARACTERS = 100_000
_FORMATTER = HtmlFormatter(nowrap=True)
_LEXERS: dict[str, type[Lexer]] = {"json": JsonLexer, "xml": MarkupLexer, "yaml": YamlLexer}


def example_to_html(text: str, content_type: str) -> SafeString:
    """An example as HTML; JSON is indented. Longer ones than LIMIT_CHARACTERS stay plain."""
    kind = _kind(content_type)
    if kind == "json":
        text = _indented(text)
    if kind is None or len(text) > LIMIT_CHARACTERS:
        return escape(text)
    html: str = highlight(text, _LEXERS[kind](), _FORMATTER)
    return mark_safe(html)  # noqa: S308  # Pygments escapes the text.


def _kind(content_type: str) -> str | None:
    """`application/problem+json; charset=utf-8` is json (RFC 6839 suffixes)."""
    subtype = content_type.partition(";")[0].strip().lower().rpartition("/")[2]
    last = subtype.rpartition("+")[2].removeprefix("x-")
    return last if last in _LEXERS else None


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
