"""The own addresses of gateway and portal.

An API whose backend is one of the gateway's would call itself until its head is too large.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from backends.validators import validate_service_url
from service.models import Service, current

THIS_MACHINE = "this machine"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int | None
    path: str


def leads_to_gateway(url: str, service: Service | None) -> bool:
    """Whether a valid service URL is answered by the gateway itself, as far as its settings tell."""
    wanted = _address(url)
    return any(
        (wanted.host, wanted.port) == (own.host, own.port) and (wanted.path + "/").startswith(own.path + "/")
        for own in _own_addresses(service)
    )


def leads_to_portal(url: str) -> bool:
    """Whether the portal itself answers there, as far as its settings tell."""
    wanted = _address(url)
    own = [_address(settings.PORTAL_URL), Address(_canonical(settings.PORTAL_HOST), settings.PORTAL_PORT, "")]
    return any((wanted.host, wanted.port) == (one.host, one.port) for one in own)


def refuse_own_address(url: str) -> None:
    """Raises ValidationError where a service URL leads to the gateway, or is none."""
    validate_service_url(url)
    if leads_to_gateway(url, current()):
        raise ValidationError(_("This is the address of the gateway itself: its calls would go round in circles."))


def _own_addresses(service: Service | None) -> list[Address]:
    public = [_address(service.gateway_url)] if service else []
    listens_at = [Address(_canonical(settings.GATEWAY_HOST), settings.GATEWAY_PORT, "")]
    if settings.GATEWAY_TLS_PORT:
        listens_at.append(Address(_canonical(settings.GATEWAY_TLS_HOST), settings.GATEWAY_TLS_PORT, ""))
    if settings.GATEWAY_MANAGEMENT_PORT:
        management = settings.GATEWAY_MANAGEMENT_HOST
        listens_at.append(Address(_canonical(management), settings.GATEWAY_MANAGEMENT_PORT, ""))
    return [*public, _address(settings.GATEWAY_INTERNAL_URL), *listens_at]


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return Address(_canonical(parts.hostname or ""), parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path)


def _canonical(host: str) -> str:
    """One spelling for hosts that are the same; all names of this machine's loopback are one."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return THIS_MACHINE
    address = _ip_address(name)
    if address is None:
        return name
    return THIS_MACHINE if address.is_loopback or address.is_unspecified else str(address)


def _ip_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in any spelling that a socket takes, such as 127.1 or ::ffff:127.0.0.1."""
    try:
        return ipaddress.ip_address(socket.inet_aton(name))
    except OSError:
        pass
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError:
        return None
    return address.ipv4_mapped or address
