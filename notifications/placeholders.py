"""The language of mail templates: a small part of Mustache.

`{{ name }}` stands for a parameter. What `{{#name}}` and `{{/name}}` enclose is left out where the
parameter is empty. That is all: no expressions, no attributes, no loops, so that a template reaches
nothing but the texts that it is given, and takes no longer than it is long.
"""

import re
from collections.abc import Container, Mapping

from django.utils.translation import gettext as _

MAX_TAGS = 200
_TAG = re.compile(r"\{\{[ \t]*([#/]?)[ \t]*([A-Za-z][A-Za-z0-9_]{0,59})[ \t]*\}\}")


class TemplateError(ValueError):
    """A text that is no template; `line` counts from 1."""

    def __init__(self, problem: str, *, line: int, what: str) -> None:
        super().__init__(_("%(problem)s in line %(line)s: %(what)s") % {"problem": problem, "line": line, "what": what})
        self.problem, self.line, self.what = problem, line, what


class UnknownParameter(TemplateError):
    pass


def check(source: str, parameters: Container[str]) -> None:
    """Raises TemplateError where the template does not hold together or names another parameter."""
    opened: list[tuple[str, int]] = []
    tags = list(_TAG.finditer(source))
    if len(tags) > MAX_TAGS:
        raise TemplateError(_("too many tags"), line=_line(source, tags[MAX_TAGS].start()), what=tags[MAX_TAGS][0])
    for tag in tags:
        kind, name = tag.groups()
        line = _line(source, tag.start())
        if name not in parameters:
            raise UnknownParameter(_("unknown parameter"), line=line, what=tag[0])
        if kind == "#":
            opened.append((name, line))
        elif kind == "/" and (not opened or opened.pop()[0] != name):
            raise TemplateError(_("an end without its beginning"), line=line, what=tag[0])
    if opened:
        raise TemplateError(_("a beginning without its end"), line=opened[-1][1], what=f"{{{{#{opened[-1][0]}}}}}")
    _refuse_stray_braces(source)


def _refuse_stray_braces(source: str) -> None:
    for number, line in enumerate(_TAG.sub("", source).split("\n"), start=1):
        if found := re.search(r"\{\{|\}\}", line):
            raise TemplateError(_("not a parameter"), line=number, what=line[found.start() :][:60])


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1


def fill(source: str, values: Mapping[str, str]) -> str:
    """The template with its values; one that is missing is empty.

    What a value holds is never read as a template.
    """
    parts: list[str] = []
    # How many of the enclosing sections are open, and at which depth the text began to be left out.
    depth, hidden_at, position = 0, 0, 0
    for tag in _TAG.finditer(source):
        if not hidden_at:
            parts.append(source[position : tag.start()])
        position = tag.end()
        kind, name = tag.groups()
        if kind == "#":
            depth += 1
            if not hidden_at and not values.get(name):
                hidden_at = depth
        elif kind == "/":
            if hidden_at == depth:
                hidden_at = 0
            depth -= 1
        elif not hidden_at:
            parts.append(values.get(name, ""))
    if not hidden_at:
        parts.append(source[position:])
    return "".join(parts)
