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
_DOT_SEGMENT = re.compile(rb"(?:\A|[/\\])\.\.?(?=[/\\;?#\0]|\Z)")
_NOT_PLAIN = re.compile(rb"[%;\\]|//")
_SPECIAL = re.compile(rb"[%;\\?#\0]|//")
_ENCODED_DELIMITER = re.compile(rb"(%(?:2[Ff]|5[Cc]|3[Ff]|23))")
_SEGMENT_PARAMETERS = re.compile(rb";[^/]*")
_END_OF_PATH = re.compile(rb"[?#\0]")
# Nobody means a path with more, and to follow them all would hold up other calls.
READINGS_LIMIT = 64
READINGS_LIMIT_BYTES = 2**15

Reading = tuple[bytes, bytes]
"""A path, and what of it is taken for a query."""


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
    and `..;x` counts as `..` (Java servers drop what follows the semicolon). With a proxy in between
    a path may be decoded twice.
    """
    if b"." not in path and b"%" not in path:
        return False
    once = decoded(path)
    return _DOT_SEGMENT.search(once) is not None or (b"%" in once and _DOT_SEGMENT.search(decoded(once)) is not None)


def is_plain(path: bytes) -> bool:
    """Whether all backends read the path alike."""
    if _NOT_PLAIN.search(path) is None:
        return True
    # Most of what is encoded means nothing to anybody.
    once = decoded(path)
    return _SPECIAL.search(once) is None and once.count(b"/") == path.count(b"/")


def readings(path: bytes, *, keeps_delimiters: bool) -> set[Reading] | None:
    """What backends may take the path for, all but merged slashes; None where that is too much to tell.

    A backend may decode once, or twice with a proxy before it; see a slash in a backslash; drop what
    follows a semicolon; and end the path where a question mark, number sign or null is, each of it
    before decoding or after. `keeps_delimiters` where it tells encoded slashes, question marks and
    number signs from plain ones.
    """
    decode = _decoded_but_delimiters if keeps_delimiters else decoded
    found: set[Reading] = set()
    texts: set[Reading] = {(path, b"")}
    for decodings in range(3):
        for change in (_with_slashes, _without_parameters, _cut_short):
            texts |= {change(*text) for text in texts}
            if len(texts) > READINGS_LIMIT or len(texts) * len(path) > READINGS_LIMIT_BYTES:
                return None
        if decodings:
            found |= texts
        texts = {(decode(text), query) for text, query in texts}
    return found


def _with_slashes(path: bytes, query: bytes) -> Reading:
    return path.replace(b"\\", b"/"), query


def _without_parameters(path: bytes, query: bytes) -> Reading:
    return _SEGMENT_PARAMETERS.sub(b"", path), query


def _cut_short(path: bytes, query: bytes) -> Reading:
    end = _END_OF_PATH.search(path)
    if end is None:
        return path, query
    return path[: end.start()], path[end.end() :] if end[0] == b"?" else query


def _decoded_but_delimiters(path: bytes) -> bytes:
    pieces = _ENCODED_DELIMITER.split(path)
    pieces[::2] = map(decoded, pieces[::2])
    return b"".join(pieces)


def comparable(path: bytes, most_segments: int) -> list[bytes]:
    """The segments of a path that is decoded but for delimiters within a segment, as they are compared."""
    return [_ENCODED_DELIMITER.sub(_decoded_match, segment).lower() for segment in path.split(b"/", most_segments)[1:]]


def _decoded_match(found: re.Match[bytes]) -> bytes:
    return decoded(found[0])


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
