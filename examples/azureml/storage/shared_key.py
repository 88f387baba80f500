"""Shared Key: the signature of a request to blob storage.

Source: "Authorize with Shared Key" (Azure Storage REST API), Blob service, version 2015-02-21 and later.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def string_to_sign(
    *, method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str], account: str
) -> str:
    """What the signature covers. `path` is percent-encoded as on the wire; header names are in lower case."""
    signed = {name: headers.get(name, "") for name in _SIGNED_HEADERS}
    if signed["content-length"] == "0":
        signed["content-length"] = ""
    if "x-ms-date" in headers:
        signed["date"] = ""
    own_headers = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-ms-"))
    return "\n".join([method, *signed.values(), own_headers]) + f"/{account}{path}{_canonical_query(query)}"


def _canonical_query(query: Iterable[tuple[str, str]]) -> str:
    values: dict[str, list[str]] = {}
    for name, value in query:
        values.setdefault(name.lower(), []).append(value)
    return "".join(f"\n{name}:{','.join(sorted(values[name]))}" for name in sorted(values))


def sign(text: str, key: str) -> str:
    """The signature of a text by an account's key. Raises ValueError if the key is not base64."""
    return base64.b64encode(hmac.digest(base64.b64decode(key, validate=True), text.encode(), hashlib.sha256)).decode()
