"""The request target as bytes: what is malformed, its query's parameters, and the key in it.

A target is compared and passed on as it arrived. It is percent-decoded once, segment by segment,
to be compared, and never encoded again.
"""

import re
from collections.abc import Container
from urllib.parse import unquote_to_bytes

# RFC 3986, 2 leaves some of these out; clients send them all the same, and they do no harm.
_ALLOWED = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
_BROKEN_ENCODING = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SEPARATOR = re.compile(rb"[/\\]")


def malformation(target: bytes) -> str | None:
    """Why a target is no origin-form (RFC 9112, 3.2.1; RFC 3986, 2.1), in words for the caller."""
    if not target.startswith(b"/"):
        return "The request target is not a path."
    if target.translate(None, _ALLOWED):
        return "The URL contains characters that must be percent-encoded."
    if b"%" in target:
        if _BROKEN_ENCODING.search(target):
            return "The URL contains a '%' that is not followed by two hexadecimal digits."
        if b"%00" in target.partition(b"?")[0]:
            return "The path contains a null character."
    return None


def decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text) if b"%" in text else text


def climbs(path: bytes) -> bool:
    """Whether some reader of the path would find a `.` or `..` segment in it.

    Backends differ in what they decode and split, so a slash or backslash counts encoded or plain,
    and `..;x` counts as `..` (Java servers drop what follows the semicolon).
    """
    if b"." not in path and b"%2e" not in path and b"%2E" not in path:
        return False
    return any(segment.partition(b";")[0] in (b".", b"..") for segment in _SEPARATOR.split(decoded(path)))


def parameters(query: bytes) -> dict[bytes, list[bytes]]:
    """Names and values of a query, both percent-decoded once; a plus sign stays one."""
    found: dict[bytes, list[bytes]] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        found.setdefault(decoded(name), []).append(decoded(value))
    return found


def may_name(query: bytes, names: Container[bytes]) -> bool:
    return any(decoded(part.partition(b"=")[0]) in names for part in query.split(b"&"))


def without(target: bytes, names: Container[bytes]) -> bytes:
    """The target without the query parameters of these names, and not one other byte changed."""
    path, question_mark, query = target.partition(b"?")
    if not question_mark:
        return target
    parts = query.split(b"&")
    kept = [part for part in parts if decoded(part.partition(b"=")[0]) not in names]
    if len(kept) == len(parts):
        return target
    return path + b"?" + b"&".join(kept) if kept else path
