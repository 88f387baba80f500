"""What a browser asks before a page of another origin calls an API (Fetch standard 3.2.2; Azure's `cors` policy).

It is answered here and without a key, since browsers send none, and counts neither toward a rate nor
a quota. An OPTIONS operation goes before. As in Azure, an origin that is not listed gets an empty 200.
"""

import re
from typing import Final

from gateway.catalogue.admission import Refusal
from gateway.catalogue.routing import Catalogue, Route, find
from gateway.http.cors import NOT_ALLOWED
from gateway.http.head import RequestHead

MAX_AGE_SECONDS: Final = 600
_NAMES = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z, ]++")


def answer_preflight(catalogue: Catalogue, request: RequestHead, scheme: bytes) -> Refusal | None:
    """The answer to an OPTIONS request with an Origin; None where it is no preflight that is answered here."""
    pairs = request.fields.pairs
    methods = [value for name, value in pairs if name == b"access-control-request-method"]
    if len(methods) != 1 or isinstance(find(catalogue, b"OPTIONS", request.target), Route):
        return None
    route = find(catalogue, methods[0], request.target)
    if not isinstance(route, Route) or route.api.cors is None or scheme not in route.api.schemes:
        return None
    headers: list[tuple[bytes, bytes]] = []
    if route.api.cors.answer_lines(request.fields.origin) is not NOT_ALLOWED:
        names = b", ".join(value for name, value in pairs if name == b"access-control-request-headers" and value)
        headers.append((b"Access-Control-Allow-Methods", methods[0]))
        if _NAMES.fullmatch(names):
            headers.append((b"Access-Control-Allow-Headers", names))
        headers.append((b"Access-Control-Max-Age", b"%d" % MAX_AGE_SECONDS))
    return Refusal(200, b"", tuple(headers), "", "", route.url, route.api.id)
