"""Shared access signatures: tokens in a URL that allow some operations for some time.

Sources: "Create a service SAS" and "Create an account SAS" (Azure Storage REST API), signatures of
version 2018-11-09 and later. Stored access policies (`si`) and user delegation keys are not known.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from ipaddress import ip_address
from urllib.parse import quote, urlencode

from examples.azureml.storage.shared_key import sign

SERVICE_VERSION = "2020-12-06"
OLDEST_VERSION = "2018-11-09"
CLOCK_SKEW = timedelta(minutes=15)
# Response header fields that a token sets.
OVERRIDES = {
    "rscc": "cache-control",
    "rscd": "content-disposition",
    "rsce": "content-encoding",
    "rscl": "content-language",
    "rsct": "content-type",
}


class Scope(Enum):
    """What an operation works on."""

    SERVICE = "service"
    CONTAINER = "container"
    CONTENTS = "the list of a container's blobs"
    OBJECT = "blob"


# `srt` of an account SAS.
_ACCOUNT_SCOPES = {"s": {Scope.SERVICE}, "c": {Scope.CONTAINER, Scope.CONTENTS}, "o": {Scope.OBJECT}}


class InvalidToken(ValueError):
    """The token is not valid; the text says why and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid token allows."""

    permissions: str
    protocols: str
    addresses: str
    scopes: frozenset[Scope]

    def allows_address(self, client: str) -> bool:
        if not self.addresses:
            return True
        first, _, last = self.addresses.partition("-")
        try:
            low, high, address = ip_address(first), ip_address(last or first), ip_address(client)
        except ValueError:
            return False
        return low.version == high.version == address.version and int(low) <= int(address) <= int(high)


def is_token(query: Mapping[str, str]) -> bool:
    return "sig" in query


def check(query: Mapping[str, str], *, account: str, key: str, container: str, blob: str, now: datetime) -> Grant:
    """The grant of a token for a container or blob (empty text: none). Raises InvalidToken."""
    if not OLDEST_VERSION <= query.get("sv", "") <= "9":
        raise InvalidToken(f"sv is missing or older than {OLDEST_VERSION}")
    if "si" in query or "skoid" in query:
        raise InvalidToken("stored access policies and user delegation keys are not supported")
    if "ss" in query:
        text = _account_text(query, account)
        scopes = frozenset[Scope]().union(*(_ACCOUNT_SCOPES.get(letter, set()) for letter in query.get("srt", "")))
        if "b" not in query["ss"]:
            raise InvalidToken("the token is not for the blob service")
    else:
        text, scopes = _service_text(query, account, container, blob)
    if not hmac.compare_digest(sign(text, key).encode(), query["sig"].encode()):
        raise InvalidToken("signature did not match")
    if "st" in query and now + CLOCK_SKEW < _instant(query["st"]):
        raise InvalidToken("the token is not valid yet")
    if now >= _instant(query.get("se", "")):
        raise InvalidToken("the token has expired")
    return Grant(query.get("sp", ""), query.get("spr", "https,http"), query.get("sip", ""), scopes)


def _service_text(query: Mapping[str, str], account: str, container: str, blob: str) -> tuple[str, frozenset[Scope]]:
    resource = query.get("sr")
    if resource == "c":
        path, scopes = f"/blob/{account}/{container}", frozenset({Scope.CONTENTS, Scope.OBJECT})
    elif resource == "b" and blob:
        path, scopes = f"/blob/{account}/{container}/{blob}", frozenset({Scope.OBJECT})
    else:
        raise InvalidToken("sr is neither c nor b, or the token is for a blob and the request is not")
    values = [query.get(name, "") for name in ("sp", "st", "se")]
    values += [path, "", query.get("sip", ""), query.get("spr", ""), query["sv"], resource, ""]
    if query["sv"] >= "2020-12-06":
        values.append(query.get("ses", ""))
    return "\n".join([*values, *(query.get(name, "") for name in OVERRIDES)]), scopes


def _account_text(query: Mapping[str, str], account: str) -> str:
    values = [account, *(query.get(name, "") for name in ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv"))]
    if query["sv"] >= "2020-12-06":
        values.append(query.get("ses", ""))
    return "\n".join([*values, ""])


def _instant(text: str) -> datetime:
    """An ISO 8601 time in UTC, of one of the forms that the articles list."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidToken("st or se is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_token(*, account: str, key: str, container: str, blob: str, expires_at: datetime) -> str:
    """A token, with its question mark, that allows to read one blob until a time."""
    query = {
        "sv": SERVICE_VERSION,
        "sr": "b",
        "sp": "r",
        "se": expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    text, _ = _service_text(query, account, container, blob)
    return "?" + urlencode({**query, "sig": sign(text, key)}, quote_via=quote)
