"""Where a blob is and how to get at it: connection strings and the parts that name a blob."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from examples.azureml.storage.endpoint import CONTAINER_NAME, MAX_BLOB_NAME_CHARACTERS

_ENDPOINT_PATTERN = re.compile(r"(https?)://\*\.([A-Za-z0-9.-]+)")


class BadConnectionString(ValueError):
    """The text says what is wrong, and never repeats the connection string."""


class BadLocation(ValueError):
    """`code` is the web service's error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Account:
    """A blob endpoint with a key or with a shared access signature (without its question mark)."""

    endpoint: str
    name: str
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BlobReference:
    account: Account
    container: str
    name: str

    @property
    def relative_location(self) -> str:
        return f"{self.container}/{quote(self.name, safe='/~')}"

    @property
    def url(self) -> str:
        return f"{self.account.endpoint}/{self.relative_location}"


def read_connection_string(text: str) -> Account:
    """Raises BadConnectionString."""
    values = _settings(text)
    endpoint = values.get("BlobEndpoint", "").rstrip("/")
    name = values.get("AccountName", "")
    if not endpoint:
        if not re.fullmatch(r"[a-z0-9]{3,24}", name):
            raise BadConnectionString("AccountName or BlobEndpoint is missing")
        scheme, suffix = (
            values.get("DefaultEndpointsProtocol", "https"),
            values.get("EndpointSuffix", "core.windows.net"),
        )
        endpoint = f"{scheme}://{name}.blob.{suffix}"
    _check_endpoint(endpoint)
    key, token = values.get("AccountKey"), values.get("SharedAccessSignature", "").lstrip("?") or None
    if key is None and token is None:
        raise BadConnectionString("AccountKey or SharedAccessSignature is missing")
    if key is not None:
        if not name:
            raise BadConnectionString("AccountName is missing")
        try:
            base64.b64decode(key, validate=True)
        except ValueError as error:
            raise BadConnectionString("AccountKey is not base64") from error
    return Account(endpoint, name, key, None if key else token)


def _settings(text: str) -> dict[str, str]:
    values = {}
    for number, part in enumerate(filter(None, (part.strip() for part in text.split(";"))), 1):
        name, equals, value = part.partition("=")
        if not equals:
            raise BadConnectionString(f"setting {number} is not of the form name=value")
        values[name] = value
    if not values:
        raise BadConnectionString("it is empty")
    return values


def is_endpoint(text: str) -> bool:
    """Whether the text is a URL of an endpoint or, with `*.` before the host, a pattern of such URLs."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and not (parts.username or parts.password or parts.query or parts.fragment)


def _check_endpoint(endpoint: str) -> None:
    if not is_endpoint(endpoint):
        raise BadConnectionString("its blob endpoint is not a URL")


def is_allowed(endpoint: str, allowed: Iterable[str]) -> bool:
    """Whether an endpoint is one of those listed, such as http://127.0.0.1:10000/name or https://*.blob.example."""
    return any(_is_same_or_matches(endpoint, pattern.rstrip("/")) for pattern in allowed)


def _is_same_or_matches(endpoint: str, pattern: str) -> bool:
    found = _ENDPOINT_PATTERN.fullmatch(pattern)
    if not found:
        return endpoint == pattern
    return re.fullmatch(rf"{found[1]}://[a-z0-9-]+\.{re.escape(found[2])}", endpoint) is not None


def read_location(location: str) -> tuple[str, str]:
    """Container and blob of `/container/folder/blob.csv`. Raises BadLocation."""
    container, _, name = location.removeprefix("/").partition("/")
    if not container:
        raise BadLocation("ContainerIsEmpty")
    if not CONTAINER_NAME.fullmatch(container):
        raise BadLocation("ContainerSegmentInvalid")
    # A client resolves dots in a URL's path, and the request would leave the container.
    has_dots = not {".", ".."}.isdisjoint(name.split("/"))
    if not name or len(name) > MAX_BLOB_NAME_CHARACTERS or not name.isprintable() or has_dots:
        raise BadLocation("InputBlobRelativeLocationInvalid")
    return container, name


def read_reference(values: Mapping[str, str | None]) -> BlobReference | None:
    """The blob of a connection string and a relative location, or of the three parts of a result's URL.

    None if something is missing. Raises BadConnectionString or BadLocation.
    """
    location = values.get("RelativeLocation")
    if not location:
        return None
    if connection := values.get("ConnectionString"):
        return BlobReference(read_connection_string(connection), *read_location(location))
    base, token = values.get("BaseLocation"), values.get("SasBlobToken")
    if not base or not token:
        return None
    _check_endpoint(base)
    # In a URL's part the name is percent-encoded.
    return BlobReference(Account(base.rstrip("/"), "", token=token.lstrip("?")), *read_location(unquote(location)))
