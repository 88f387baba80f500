"""The PROXY protocol, versions 1 and 2: who called a proxy that passes on bytes without reading them.

The source is HAProxy's doc/proxy-protocol.txt. The header comes before the caller's first byte, so
before TLS too. What goes beyond the addresses (the TLVs of version 2) is skipped.
"""

import ipaddress
import re
from typing import Final

TEXT_LIMIT_BYTES: Final = 107
# Version 2 allows 64 KiB; real headers, certificates' names included, have some hundred bytes.
BINARY_LIMIT_BYTES: Final = 2048
_TEXT_START: Final = b"PROXY "
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED_BYTES: Final = 16
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
# Unspecified, UDP, and sockets of the file system: nothing that could be a caller's address here.
_WITHOUT_ADDRESS: Final = frozenset((0x00, 0x12, 0x22, 0x31, 0x32))
_TCP: Final = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")


class BadHeader(ValueError):
    """What arrived is no header of the PROXY protocol."""


def header_size(received: bytes) -> int | None:
    """The size of the header that `received` begins with, in bytes.

    None where that cannot be told yet: then all of `received` belongs to it. Raises BadHeader.
    """
    if received.startswith(_SIGNATURE[: len(received)]):
        if len(received) < _FIXED_BYTES:
            return None
        size = _FIXED_BYTES + int.from_bytes(received[14:16], "big")
        if size > BINARY_LIMIT_BYTES:
            raise BadHeader("the header is too long")
        return size
    if received.startswith(_TEXT_START[: len(received)]):
        end = received.find(b"\r\n", 0, TEXT_LIMIT_BYTES)
        if end >= 0:
            return end + 2
        if len(received) < TEXT_LIMIT_BYTES:
            return None
        raise BadHeader("the header is too long")
    raise BadHeader("it does not begin with a PROXY header")


def source(header: bytes) -> str | None:
    """The caller's address, of a whole header.

    None where the proxy speaks for itself, or of a caller without an IP address: then it is the
    caller. Raises BadHeader.
    """
    return _source_in_text(header[:-2]) if header.startswith(_TEXT_START) else _source_in_binary(header)


def _source_in_text(line: bytes) -> str | None:
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return None
    found = _TCP.fullmatch(line)
    if found is None or max(int(found[4]), int(found[5])) > 65535:
        raise BadHeader("the header is malformed")
    kind = ipaddress.IPv4Address if found[1] == b"4" else ipaddress.IPv6Address
    try:
        kind(found[3].decode())
        return _text(kind(found[2].decode()))
    except ValueError as error:
        raise BadHeader("an address is malformed") from error


def _source_in_binary(header: bytes) -> str | None:
    command, family, addresses = header[12], header[13], header[_FIXED_BYTES:]
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise BadHeader("the version or command is unknown")
    if family == _TCP4 and len(addresses) >= 12:
        return _text(ipaddress.IPv4Address(addresses[:4]))
    if family == _TCP6 and len(addresses) >= 36:
        return _text(ipaddress.IPv6Address(addresses[:16]))
    if family not in _WITHOUT_ADDRESS:
        raise BadHeader("the address family is unknown, or the addresses are cut off")
    return None


def _text(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str(getattr(address, "ipv4_mapped", None) or address)
