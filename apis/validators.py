"""What names, suffixes and values of the catalogue may look like."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apis import url_templates
from backends.validators import TOKEN, validate_header_name

# The first migration finds it under this name.
from backends.validators import validate_service_url as validate_service_url

MAX_VALUES = 500
MAX_VALUE_CHARACTERS = 2000
RESERVED_SUFFIXES = ("status-0123456789abcdef",)

# RFC 9110, 8.3.1: type/subtype, then parameters.
MEDIA_TYPE = RegexValidator(
    r"\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*;[\x20-\x7e]+)?\Z",
    _("Give a type such as application/json."),
)

_SUFFIX = re.compile(r"(?:[A-Za-z0-9\-._~]+(?:/[A-Za-z0-9\-._~]+)*)?")


def validate_suffix(suffix: str) -> None:
    """A URL suffix is empty or segments of unreserved characters (RFC 3986, 2.3).

    One suffix may continue another one: of `shop` and `shop/orders` the longer one that fits wins.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise ValidationError(
            gettext("Use letters, digits, '-', '.', '_' and '~', with '/' between segments, not at the ends.")
        )
    segments = suffix.split("/")
    if "." in segments or ".." in segments or suffix.lower() in RESERVED_SUFFIXES:
        raise ValidationError(gettext("This suffix is reserved."))


def validate_method(method: str) -> None:
    """A token; two methods are not for an API to serve."""
    TOKEN(method)
    if method.upper() in ("CONNECT", "TRACE"):
        raise ValidationError(
            gettext("The gateway refuses every %(method)s: CONNECT would make it a tunnel, TRACE would echo keys."),
            params={"method": method.upper()},
        )


def validate_url_template(template: str) -> None:
    try:
        url_templates.parse(template)
    except url_templates.TemplateError as error:
        raise ValidationError(error.worded(gettext)) from error


def validate_key_header(name: str) -> None:
    """Named by migrations; the rules are those of any header."""
    validate_header_name(name)


def validate_values(values: Any) -> None:
    """A list of texts, each bounded; the allowed values of a parameter."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValidationError(gettext("Give a list of texts."))
    if len(values) > MAX_VALUES:
        raise ValidationError(gettext("Give at most %(limit)s values.") % {"limit": MAX_VALUES})
    if any(len(value) > MAX_VALUE_CHARACTERS for value in values):
        raise ValidationError(gettext("A value has at most %(limit)s characters.") % {"limit": MAX_VALUE_CHARACTERS})
    if len(set(values)) < len(values):
        raise ValidationError(gettext("A value is there twice."))
