"""Template filters of documentation pages."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apis.deprecation import Deprecation
from apis.models import Parameter
from portal import highlighting, markdown
from portal.console.headers import looks_secret

register = template.Library()
_COLOURED_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_TEMPLATE_PIECES = re.compile(r"(\{[^{}]*\}|[/?&])")


@register.filter
def markdown_to_html(source: str) -> SafeString:
    return markdown.to_html(source)


@register.filter
def markdown_to_text(source: str) -> str:
    return markdown.to_text(source)


@register.filter
def highlighted(example: str, content_type: str) -> SafeString:
    return highlighting.example_to_html(example, content_type)


@register.filter
def method_badge(method: str) -> SafeString:
    """The method in its colour; any token may be one, so others share a neutral colour."""
    colour = method.lower() if method.lower() in _COLOURED_METHODS else "other"
    return format_html('<span class="method method--{}" title="{}">{}</span>', colour, method, method)


@register.filter
def deprecation_badge(deprecation: Deprecation | None) -> SafeString | str:
    """Nothing for what is not deprecated."""
    if deprecation is None:
        return ""
    word = _("Deprecated") if deprecation.has_begun(timezone.now()) else _("Deprecated soon")
    return format_html(' <span class="badge badge--warn">{}</span>', word)


@register.filter
def parameters_marked(url_template: str) -> SafeString:
    """A URL template with its `{parameters}` marked, and where its lines may break."""
    return format_html_join("", "{}", ((_marked(piece),) for piece in _TEMPLATE_PIECES.split(url_template)))


def _marked(piece: str) -> SafeString | str:
    if piece.startswith("{") and piece.endswith("}"):
        return format_html('<span class="url-parameter">{}</span>', piece)
    return format_html("<wbr>{}", piece) if piece in ("/", "?", "&") else piece


@register.filter
def is_required(parameter: Parameter) -> bool:
    """Whether a call needs it, as the console sees it: a wildcard of the path may be empty."""
    if parameter.location != Parameter.Location.TEMPLATE or parameter.operation is None:
        return parameter.required
    return parameter.name.lower() not in {name.lower() for name in parameter.operation.template.wildcards}


@register.filter
def shown_default(parameter: Parameter) -> str:
    """A parameter's default; masked where the console masks it too."""
    is_secret = parameter.location == Parameter.Location.HEADER and looks_secret(parameter.name)
    return "••••••" if is_secret else parameter.default_value


@register.filter
def reason_phrase(status_code: int) -> str:
    """`Not Found` for 404; nothing for codes that are not registered."""
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""


@register.filter
def status_class(status_code: int) -> str:
    """The class of a status, such as `4xx` (RFC 9110, 15)."""
    return f"{status_code // 100}xx"


@register.filter
def at(values: Mapping[str, str], key: str) -> str | None:
    return values.get(key)
