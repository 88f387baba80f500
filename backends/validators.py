"""What the address of a backend, and the names in what is sent to it, may look like."""

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# Fields that frame a message or belong to one connection (RFC 9110, 7.6.1) or name the host.
_HTTP_HEADERS = frozenset(
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

# What the gateway tells each backend itself; a second one would contradict it.
_GATEWAY_HEADERS = frozenset({"forwarded", "traceparent", "tracestate", "via", "x-real-ip", "x-request-id"})

# RFC 9110, 5.6.2.
TOKEN = RegexValidator(r"\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z", _("Only letters, digits and !#$%%&'*+-.^_`|~ are allowed."))
# RFC 3986, 2.3: what a query can hold as it is.
QUERY_NAME = RegexValidator(
    r"\A[A-Za-z0-9\-._~]+\Z", _("Only letters, digits and -._~ can name a query parameter without being encoded.")
)

_SPACE = re.compile(r"\s")
_HOST_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,251}[A-Za-z0-9_.])?")
_URL_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*")


def validate_header_name(name: str) -> None:
    """A name that is the administrator's to choose. An underscore counts as a hyphen, as it does to many programs."""
    TOKEN(name)
    canonical = name.lower().replace("_", "-")
    if canonical in _HTTP_HEADERS:
        raise ValidationError(_("HTTP itself needs the header %(name)s."), params={"name": name})
    if canonical in _GATEWAY_HEADERS or canonical.startswith("x-forwarded-"):
        raise ValidationError(_("The gateway itself writes the header %(name)s."), params={"name": name})


def validate_service_url(url: str) -> None:
    """An absolute http or https URL without user info, query or fragment.

    ws and wss stand for http and https: a WebSocket begins as a call of them (RFC 6455, 3).
    """
    # First, because urlsplit drops line breaks and tabs silently.
    if _SPACE.search(url):
        raise ValidationError(_("There is a space in the URL: take it out, or write it as %20."))
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValidationError(gettext("Write other than ASCII characters percent-encoded, and host names in punycode."))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValidationError(gettext("This is not a URL: %(why)s."), params={"why": str(error)}) from error
    if parts.scheme not in ("http", "https", "ws", "wss") or not host:
        raise ValidationError(gettext("Give an absolute URL such as https://api.example.org/v1."))
    if "@" in parts.netloc:
        raise ValidationError(gettext("User name and password do not belong into the URL."))
    if "?" in url or "#" in url:
        raise ValidationError(gettext("The URL cannot have a query or a fragment."))
    if port == 0 or parts.netloc.endswith(":"):
        raise ValidationError(gettext("The port must be a number from 1 to 65535."))
    if not _is_host(parts.netloc, host):
        raise ValidationError("'%(host)s' is not a host name.", params={"host": host})
    if not _URL_PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise ValidationError(gettext("The path '%(path)s' cannot be used."), params={"path": parts.path})


def _is_host(netloc: str, host: str) -> bool:
    if not netloc.startswith("["):
        return bool(_HOST_NAME.fullmatch(host))
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
