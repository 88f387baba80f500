"""Which header fields a user may send, and which look like secrets."""

import re

from django.utils.translation import gettext as _

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SECRET = re.compile(r"auth|key|token|secret|passw|credential|cookie|signature|\bsig\b", re.IGNORECASE)

# Framing and the connection belong to the HTTP library (RFC 9110, 7.6.1 and 7.2; RFC 9112, 6).
_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# A gateway that trusts the portal's address would believe them (RFC 7239, 8.1).
_OF_PROXIES = frozenset({"forwarded", "x-real-ip"})


def wrong_name(name: str) -> str:
    """Why no header of this name can be sent; empty when it can."""
    if not _TOKEN.fullmatch(name):
        return _("A header's name is made of letters, digits and !#$%&'*+-.^_`|~ only.")
    lower = name.lower()
    if lower in _OF_THE_CONNECTION:
        return _("%(name)s is set by the console itself.") % {"name": name}
    if lower in _OF_PROXIES or lower.startswith("x-forwarded-"):
        return _("%(name)s is set by the gateway: it says where a call came from.") % {"name": name}
    return ""


def wrong_value(value: str) -> str:
    """Why the value cannot be sent in a header; empty when it can."""
    for character in value:
        if (character < " " and character != "\t") or character == "\x7f":
            return _("A header's value cannot hold line breaks or other control characters.")
        if character > "~":
            return f"'{character}' cannot be sent in a header: its value is plain ASCII (RFC 9110, 5.5)."
    return ""


def looks_secret(name: str) -> bool:
    """Whether a value under this name is masked on the page and never kept by it."""
    return _SECRET.search(name) is not None
