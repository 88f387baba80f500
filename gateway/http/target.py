"""The request target as bytes: what is malformed, which parameters its query has, and the key in it.

A target is compared and passed on as it arrived. To be compared it is percent-decoded once, and it
is never encoded again. Callers can send 32 KB of separators, so nothing here loops over the parts
of a target in Python; regular expressions look for the few names that matter, in any encoding.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

# RFC 3986, 2 leaves some of these out; clients send them all the same, and they do no harm.
_ALLOWED = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
_BROKEN_ENCODING = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOT_SEGMENT = re.compile(rb"(?:\A|[/\\])\.\.?(?=[/\\;]|\Z)")


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
    return _DOT_SEGMENT.search(decoded(path)) is not None


@lru_cache(maxsize=4096)
def requirement(name: bytes, value: bytes | None) -> re.Pattern[bytes]:
    """Finds a query parameter of this name and, unless it is None, of this value; a plus sign stays one."""
    if value is None:
        return re.compile(rb"(?:\A|&)%b(?==|&|\Z)" % _in_any_encoding(name))
    equals = b"=" if value else b"=?"
    return re.compile(rb"(?:\A|&)%b%b%b(?=&|\Z)" % (_in_any_encoding(name), equals, _in_any_encoding(value)))


@lru_cache(maxsize=4096)
def parameters_named(names: frozenset[bytes], *, in_any_case: bool = False) -> re.Pattern[bytes]:
    """Finds the query parameters of these names, each with the ampersand before it; group 1 is the value."""
    alternatives = b"|".join(_in_any_encoding(name, in_any_case=in_any_case) for name in sorted(names))
    return re.compile(rb"(?:\A|&)(?:%b)(?:=([^&]*))?(?=&|\Z)" % alternatives)


def _in_any_encoding(text: bytes, *, in_any_case: bool = False) -> bytes:
    """A pattern: each byte as it is, or percent-encoded."""
    spellings = (text.lower(), text.upper()) if in_any_case else (text,)
    return b"".join(
        rb"(?:%b)" % b"|".join(rb"%b|%%(?i:%02x)" % (re.escape(bytes([byte])), byte) for byte in one)
        for one in zip(*spellings, strict=True)
    )


def values(query: bytes, parameter: re.Pattern[bytes]) -> tuple[bytes, ...]:
    """The different values of a parameter, percent-decoded once."""
    return tuple({decoded(found[1] or b""): None for found in parameter.finditer(query)})


def without(target: bytes, parameter: re.Pattern[bytes]) -> bytes:
    """The target without these query parameters, and not one other byte changed."""
    path, _, query = target.partition(b"?")
    kept = parameter.sub(b"", query)
    if kept == query:
        return target
    if not query.startswith(b"&") and parameter.match(query):
        kept = kept.removeprefix(b"&")
    return path + b"?" + kept if kept else path
