"""Who calls, when proxies stand in front of the gateway."""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

# Some proxies add the port, and brackets to an IPv6 address, as RFC 7239 6 does.
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """Addresses and networks whose X-Forwarded fields are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises ValueError for what is no address or network."""
        self._networks: list[Network] = [ipaddress.ip_network(text, strict=False) for text in networks]
        self.holds = lru_cache(maxsize=1024)(self._holds)

    def _holds(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(mapped in network for network in self._networks)

    def caller(self, peer: str, forwarded_for: bytes) -> str:
        """The first address from the right that is no trusted proxy's own; `peer` is the rightmost.

        An entry that is no address ends the search: what stands left of it was written by a stranger.
        """
        address = peer
        for entry in reversed(forwarded_for.split(b",")):
            if not self.holds(address):
                return address
            try:
                address = _address(entry.strip().decode("ascii"))
            except ValueError:
                return address
        return address


def _address(entry: str) -> str:
    """Raises ValueError where it is none. A zone, which means something to one host only, is no part of it."""
    if "%" in entry:
        raise ValueError("an address with a zone")
    found = _WITH_PORT.fullmatch(entry)
    address = ipaddress.ip_address((found[1] or found[2]) if found else entry)
    # As a proxy writes it that listens for IPv4 and IPv6 together.
    return str(getattr(address, "ipv4_mapped", None) or address)
