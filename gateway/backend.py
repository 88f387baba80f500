"""Where an API's calls go: the service URL, taken apart once."""

from dataclasses import dataclass
from urllib.parse import urlsplit

# A WebSocket begins as a call of http or https (RFC 6455, 3).
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Backend:
    """An origin, and the path under which the service lies there. Connections are pooled by it.

    `base_path` has no slash at its end; it is empty where the service is at the root.
    """

    tls: bool
    host: str
    port: int
    host_header: bytes
    base_path: bytes


def backend_of(service_url: str) -> Backend:
    """Raises ValueError where the URL is not an absolute http(s) or ws(s) URL of ASCII characters."""
    if not service_url.isascii() or not service_url.isprintable() or " " in service_url:
        raise ValueError("a service URL has printable ASCII characters only")
    parts = urlsplit(service_url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError("a service URL is an absolute http or https URL, or ws or wss")
    if "?" in service_url or "#" in service_url:
        raise ValueError("a service URL has no query and no fragment")
    default_port = _DEFAULT_PORTS[parts.scheme]
    port = parts.port or default_port
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Backend(
        tls=parts.scheme in ("https", "wss"),
        host=parts.hostname,
        port=port,
        host_header=(host if port == default_port else f"{host}:{port}").encode(),
        base_path=parts.path.encode().removesuffix(b"/"),
    )
