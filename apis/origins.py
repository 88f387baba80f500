"""Origins of pages that may call an API from a browser (RFC 6454): `https://host[:port]`, or `*` for all."""

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from backends.validators import validate_service_url

ANY = "*"
MAX_ORIGINS = 100
_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_origins(text: str) -> tuple[str, ...]:
    """One a line, each once, as a browser writes it. Raises ValidationError that names the line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_ORIGINS:
        raise ValidationError(_("Give at most %(limit)s origins.") % {"limit": MAX_ORIGINS})
    return tuple(dict.fromkeys(line if line == ANY else _origin(line) for line in lines))


def validate_origins(text: str) -> None:
    parse_origins(text)


def origin_of(url: str) -> str:
    """The origin of an absolute http or https URL: in lower case, without the scheme's own port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{ipaddress.ip_address(host)}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _origin(line: str) -> str:
    try:
        validate_service_url(line)
    except ValidationError as error:
        raise ValidationError(f"'{line[:100]}': {error.messages[0]}") from error
    if not re.fullmatch(r"https?://[^/]+/?", line, re.IGNORECASE):
        raise ValidationError(
            f"'{line[:100]}' is no origin: write scheme, host and port only, as in https://app.example.org."
        )
    return origin_of(line)
