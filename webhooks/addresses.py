"""Where webhooks may go: to the public Internet, and to networks that WEBHOOK_ALLOWED_NETWORKS names.

An administrator types the URL, so without this he could have the worker call whatever it can reach:
the cloud's metadata, databases, the portal's neighbours (server-side request forgery). The name is
resolved once, and the connection goes to the very address that was checked.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from portal.gateway_addresses import leads_to_gateway, leads_to_portal
from service.models import Service

Address = IPv4Address | IPv6Address
PORTS = {"http": 80, "https": 443}
FIRST_FREE_PORT = 1024
_NAT64 = IPv6Network("64:ff9b::/96")
_TRANSLATED = (IPv6Network("64:ff9b:1::/48"), IPv6Network("2001::/32"), IPv6Network("fec0::/10"))


class RefusedAddress(ValueError):
    """The text is meant for the administrator."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `path` has the query with it."""

    is_tls: bool
    host: str
    port: int
    path: str


def target_of(url: str, *, allows_http: bool) -> Target:
    """Raises ValidationError that says what is wrong with the URL."""
    # First, because urlsplit drops line breaks and tabs silently.
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValidationError(
            _("Write blanks and other than ASCII characters percent-encoded, host names in punycode.")
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ValidationError(_("This is not a URL: %(why)s."), params={"why": str(error)}) from error
    if parts.scheme not in PORTS or not host:
        raise ValidationError(_("Give an absolute URL such as https://hooks.example.org/portal."))
    if parts.scheme == "http" and not allows_http:
        raise ValidationError(_("Give an https URL, or allow http."))
    if "@" in parts.netloc or "#" in url:
        raise ValidationError(_("The URL cannot have a user name, a password or a fragment."))
    if port not in PORTS.values() and not FIRST_FREE_PORT <= port <= 65535:
        raise ValidationError(_("The port must be 80, 443, or one from 1024 on."))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port, path)


def checked_addresses(target: Target, service: Service | None) -> list[Address]:
    """All addresses of the host, looked up now. Raises RefusedAddress where it has none, or one that is not allowed."""
    addresses = _resolve(target)
    for host in [target.host, *map(str, addresses)]:
        url = _url(target, host)
        if leads_to_gateway(url, service) or leads_to_portal(url):
            raise RefusedAddress(_("This is the address of this portal or its gateway."))
    for address in addresses:
        if not _is_allowed(address):
            raise RefusedAddress(
                _(
                    "%(host)s leads to %(address)s, which is not on the public Internet. "
                    "Networks that may be reached all the same are in the setting WEBHOOK_ALLOWED_NETWORKS."
                )
                % {"host": target.host, "address": address}
            )
    return addresses


def _resolve(target: Target) -> list[Address]:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RefusedAddress(_("There is no host named %(host)s.") % {"host": target.host}) from error
    return [ipaddress.ip_address(address) for address in dict.fromkeys(str(entry[4][0]) for entry in found)]


def _url(target: Target, host: str) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return f"{'https' if target.is_tls else 'http'}://{bracketed}:{target.port}{target.path.partition('?')[0]}"


def _is_allowed(address: Address) -> bool:
    inner = _embedded(address)
    if inner is not None:
        return _is_allowed(inner)
    return _is_public(address) or any(address in network for network in settings.WEBHOOK_ALLOWED_NETWORKS)


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _TRANSLATED)


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address at which a packet to this IPv6 address comes out: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
