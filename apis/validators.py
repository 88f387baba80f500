"""What names, suffixes and addresses of the catalogue may look like."""

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from apis import url_templates

MAX_VALUES = 500
MAX_VALUE_CHARACTERS = 2000
RESERVED_SUFFIXES = ("status-0123456789abcdef",)
# Fields that frame a message or belong to one connection (RFC 9110, 7.6.1) or name the host.
RESERVED_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# RFC 9110, 5.6.2.
TOKEN = RegexValidator(r"\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z", "Only letters, digits and !#$%%&'*+-.^_`|~ are allowed.")
# RFC 3986, 2.3: what a query can hold as it is.
QUERY_NAME = RegexValidator(
    r"\A[A-Za-z0-9\-._~]+\Z", "Only letters, digits and -._~ can name a query parameter without being encoded."
)
# RFC 9110, 8.3.1: type/subtype, then parameters.
MEDIA_TYPE = RegexValidator(
    r"\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*;[\x20-\x7e]+)?\Z",
    "Give a type such as application/json.",
)

_SUFFIX = re.compile(r"(?:[A-Za-z0-9\-._~]+(?:/[A-Za-z0-9\-._~]+)*)?")
_HOST_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,251}[A-Za-z0-9_.])?")
_URL_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*")


def validate_suffix(suffix: str) -> None:
    """A URL suffix is empty or segments of unreserved characters (RFC 3986, 2.3).

    One suffix may continue another one: of `shop` and `shop/orders` the longer one that fits wins.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise ValidationError("Use letters, digits, '-', '.', '_' and '~', with '/' between segments, not at the ends.")
    segments = suffix.split("/")
    if "." in segments or ".." in segments or suffix.lower() in RESERVED_SUFFIXES:
        raise ValidationError("This suffix is reserved.")


def validate_service_url(url: str) -> None:
    """An absolute http or https URL without user info, query or fragment."""
    # First, because urlsplit drops line breaks and tabs silently.
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValidationError("Write other than ASCII characters percent-encoded, and host names in punycode.")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValidationError("This is not a URL: %(why)s.", params={"why": str(error)}) from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValidationError("Give an absolute URL such as https://api.example.org/v1.")
    if "@" in parts.netloc:
        raise ValidationError("User name and password do not belong into the URL.")
    if "?" in url or "#" in url:
        raise ValidationError("The URL cannot have a query or a fragment.")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValidationError("The port must be a number from 1 to 65535.")
    if not _is_host(parts.netloc, host):
        raise ValidationError("'%(host)s' is not a host name.", params={"host": host})
    if not _URL_PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise ValidationError("The path '%(path)s' cannot be used.", params={"path": parts.path})


def _is_host(netloc: str, host: str) -> bool:
    if not netloc.startswith("["):
        return bool(_HOST_NAME.fullmatch(host))
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def validate_method(method: str) -> None:
    """A token; two methods are not for an API to serve."""
    TOKEN(method)
    if method.upper() in ("CONNECT", "TRACE"):
        raise ValidationError(
            "The gateway refuses every %(method)s: CONNECT would make it a tunnel, TRACE would echo keys.",
            params={"method": method.upper()},
        )


def validate_url_template(template: str) -> None:
    try:
        url_templates.parse(template)
    except url_templates.TemplateError as error:
        raise ValidationError(str(error)) from error


def validate_key_header(name: str) -> None:
    TOKEN(name)
    if name.lower() in RESERVED_HEADERS:
        raise ValidationError("HTTP itself needs the header %(name)s.", params={"name": name})


def validate_values(values: Any) -> None:
    """A list of texts, each bounded; the allowed values of a parameter."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValidationError("Give a list of texts.")
    if len(values) > MAX_VALUES:
        raise ValidationError(f"Give at most {MAX_VALUES} values.")
    if any(len(value) > MAX_VALUE_CHARACTERS for value in values):
        raise ValidationError(f"A value has at most {MAX_VALUE_CHARACTERS} characters.")
    if len(set(values)) < len(values):
        raise ValidationError("A value is there twice.")
