"""Markdown of publishers, made into HTML that cannot harm a reader."""

import html

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"),
    *("s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}

# Raw HTML in the source is shown as text; images are left out, because they would tell
# other hosts who reads the page, and the content security policy would block them.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")


def to_html(source: str) -> SafeString:
    """HTML of a Markdown text, with only the tags, attributes and URL schemes listed here."""
    cleaned = nh3.clean(
        _PARSER.render(source),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(cleaned)  # noqa: S308  # nh3 has just cleaned it.


def to_text(source: str) -> str:
    """The words alone, not escaped for HTML, for cards and descriptions in lists."""
    return " ".join(html.unescape(nh3.clean(_PARSER.render(source), tags=set())).split())
