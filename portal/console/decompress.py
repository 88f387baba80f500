"""Takes a content coding off a body without letting a small body grow beyond a bound."""

import zlib
from dataclasses import dataclass

from django.utils.translation import gettext as _

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_WINDOW_BITS = {"gzip": (_GZIP_OR_ZLIB,), "x-gzip": (_GZIP_OR_ZLIB,), "deflate": (_GZIP_OR_ZLIB, -zlib.MAX_WBITS)}


class CodingError(ValueError):
    """The body is in another coding than its header names, or in one that is not known; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Decompressed:
    """`is_cut`: the limit ended it. `is_broken`: the coding's own end is missing, as in half a file."""

    body: bytes
    is_cut: bool = False
    is_broken: bool = False

    @property
    def is_whole(self) -> bool:
        return not self.is_cut and not self.is_broken


def decompress(body: bytes, content_encoding: str, limit: int) -> Decompressed:
    """At most `limit` bytes of what a Content-Encoding wraps. Raises CodingError."""
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if not codings or not body:
        return Decompressed(body)
    if len(codings) > 1 or codings[0] not in _WINDOW_BITS:
        raise CodingError(
            _("The body is compressed with %(coding)s; it is offered as it came.") % {"coding": content_encoding}
        )
    for window_bits in _WINDOW_BITS[codings[0]]:
        inflater = zlib.decompressobj(window_bits)
        try:
            plain = inflater.decompress(body, limit)
        except zlib.error:
            # "deflate" is sent with and without the zlib frame (RFC 9110, 8.4.1.2).
            continue
        if not inflater.eof and len(plain) < limit:
            return Decompressed(plain, is_broken=True)
        return Decompressed(plain, is_cut=not inflater.eof)
    raise CodingError(
        _("The body is not in the coding %(coding)s that its header names; it is offered as it came.")
        % {"coding": codings[0]}
    )
