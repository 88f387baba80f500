"""From a template and values to a mail in HTML and in plain text.

Bodies are Markdown: one source for both forms, which an administrator can write without knowing
what mail programs make of HTML. Values are escaped before the Markdown is read, so that a name that
somebody chose is neither a link nor a heading; what comes out is cleaned once more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.translation import get_language

from notifications.catalogue.parameters import PARAMETERS
from notifications.placeholders import fill
from notifications.plain_text import plain_text
from portal import markdown

MAX_VALUE = 4000
MAX_MARKDOWN = 20_000
MAX_SUBJECT = 200
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class Text:
    """Subject and body as they are written; both may have placeholders."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Footer:
    """How the reader can have fewer of these mails; empty where he cannot."""

    unsubscribe_url: str = ""
    preferences_url: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


def render(text: Text, values: Mapping[str, str], footer: Footer = Footer()) -> Rendered:  # It is frozen.
    source = fill(text.body, {name: _markup(name, value) for name, value in values.items()})
    context = {
        "body": markdown.to_html(source),
        "text": plain_text(source),
        "organization": values.get("organization", ""),
        "footer": footer,
        "language": get_language() or "en",
    }
    return Rendered(
        subject=one_line(fill(text.subject, values))[:MAX_SUBJECT],
        text=render_to_string("notifications/mail.txt", context),
        html=render_to_string("notifications/mail.html", context),
    )


def _markup(name: str, value: str) -> str:
    return value[:MAX_MARKDOWN] if PARAMETERS[name].is_markdown else in_markdown(value[:MAX_VALUE])


def in_markdown(value: str) -> str:
    """A value as Markdown that shows exactly it: lines stay lines, nothing in them is markup."""
    lines = (_PUNCTUATION.sub(r"\\\1", line.strip()) for line in value.splitlines())
    return "\\\n".join(line for line in lines if line)


def one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
