"""The gateway's configuration as one immutable value.

The publisher writes it from the database into a file; each gateway process reads that file at
start and whenever it changes. A file that cannot be read leaves the old snapshot serving.
"""

import os
from pathlib import Path

import msgspec

FORMAT = 2


class SnapshotError(ValueError):
    """The file does not hold a snapshot that this gateway can serve."""


class Operation(msgspec.Struct, frozen=True, array_like=True):
    id: int
    method: str
    url_template: str


class API(msgspec.Struct, frozen=True, array_like=True):
    """`open_product` is the product (id) that lets this API be called without a key, if there is one.

    `backend` is the Backend (id) that calls go to; where it is None, `service_url` alone says it.
    `cors_origins` are origins whose pages may call the API from a browser (`https://host:port`, in
    lower case, or `*`). The limits are None where the gateway's own settings count.
    """

    id: int
    path: str
    service_url: str
    schemes: tuple[str, ...]
    subscription_required: bool
    key_header_name: str
    key_query_name: str
    open_product: int | None
    operations: tuple[Operation, ...]
    backend: int | None = None
    cors_origins: tuple[str, ...] = ()
    request_body_limit_bytes: int | None = None
    backend_seconds: float | None = None


class Breaker(msgspec.Struct, frozen=True, array_like=True):
    """One rule of Azure's circuit breaker: `failures` within `interval_seconds` open it for `trip_seconds`.

    An answer is a failure where its status lies in one of `statuses` (first and last), and so is
    one that never came, where `counts_errors`. `accept_retry_after`: a Retry-After of the backend
    then sets how long.
    """

    failures: int
    interval_seconds: float
    trip_seconds: float
    statuses: tuple[tuple[int, int], ...] = ((500, 599),)
    counts_errors: bool = True
    accept_retry_after: bool = False


class Retry(msgspec.Struct, frozen=True, array_like=True):
    """Calls with an idempotent method are sent again, up to `count` times, after one of `statuses` or no answer."""

    count: int
    interval_seconds: float = 0.0
    statuses: tuple[int, ...] = (502, 503, 504)


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A backend in a pool. Those of the lowest `priority` that are usable share the calls by `weight`."""

    backend: int
    priority: int = 1
    weight: int = 1


class Backend(msgspec.Struct, frozen=True, array_like=True):
    """A backend with a name of its own (Azure: backend); a pool where `members` has any, else one service.

    `sealed` is empty or a Fernet token under KEY_ENCRYPTION_KEY of Credentials in JSON. `ca_pem`
    replaces the system's authorities where it is not empty. Times and limits are None where the
    gateway's own settings count.
    """

    id: int
    name: str
    url: str = ""
    members: tuple[Member, ...] = ()
    sealed: bytes = b""
    verify_chain: bool = True
    verify_name: bool = True
    ca_pem: str = ""
    connect_seconds: float | None = None
    read_seconds: float | None = None
    idle_connections: int | None = None
    max_connections: int | None = None
    breaker: Breaker | None = None
    retry: Retry | None = None


class Credentials(msgspec.Struct, frozen=True):
    """What the gateway adds to each call of a backend; a field of the caller's of the same name is replaced.

    `headers` and `query` are pairs of name and value; basic authorization is one of the headers.
    `certificate_pem` is a client certificate, its chain, and its private key without a password.
    """

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    certificate_pem: str = ""


class RateLimit(msgspec.Struct, frozen=True, array_like=True):
    """At most `calls` in any `renewal_period_seconds` (sliding window), per subscription.

    `inner` are limits of single APIs and operations, each counted on its own. Header names are empty
    where no such header is wanted.
    """

    calls: int
    renewal_period_seconds: int
    retry_after_header_name: str = "Retry-After"
    remaining_calls_header_name: str = ""
    total_calls_header_name: str = ""
    inner: tuple["InnerRateLimit", ...] = ()


class InnerRateLimit(msgspec.Struct, frozen=True, array_like=True):
    """`api` is the API's id; `operation` an operation's, or None for the whole API."""

    api: int
    operation: int | None
    calls: int
    renewal_period_seconds: int


class Quota(msgspec.Struct, frozen=True, array_like=True):
    """So many calls, or kilobytes in both directions, in a period that begins with its first call; 0 never ends.

    `calls` or `kilobytes` is None where only the other one is limited.
    """

    calls: int | None
    renewal_period_seconds: int
    kilobytes: int | None = None
    inner: tuple["InnerQuota", ...] = ()


class InnerQuota(msgspec.Struct, frozen=True, array_like=True):
    api: int
    operation: int | None
    calls: int | None
    renewal_period_seconds: int
    kilobytes: int | None = None


class Product(msgspec.Struct, frozen=True, array_like=True):
    """A product whose policy document is broken refuses its calls rather than let them pass unlimited."""

    id: int
    apis: tuple[int, ...]
    rate_limit: RateLimit | None = None
    quota: Quota | None = None
    policy_is_broken: bool = False
    name: str = ""


# There can be 100,000 of them, without cycles: the garbage collector need not walk them.
class Subscription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One scope is set: `product`, `api`, or neither for all APIs. `expires_at` is a Unix time.

    `keys` are the digests (see `key_digest`) of the primary and the secondary key.
    """

    id: bytes
    owner: int | None
    product: int | None
    api: int | None
    is_active: bool
    expires_at: float | None
    keys: tuple[bytes, ...]
    allow_tracing: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    revision: int
    service_name: str
    gateway_url: str
    apis: tuple[API, ...]
    products: tuple[Product, ...]
    subscriptions: tuple[Subscription, ...]
    backends: tuple[Backend, ...] = ()
    format: int = FORMAT


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


def write(snapshot: Snapshot, file: Path) -> None:
    """Replace the file in one step, so that a reader sees the old or the new one whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(_encoder.encode(snapshot))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def read(file: Path) -> Snapshot:
    """Raises SnapshotError, or OSError where the file cannot be read."""
    try:
        snapshot = _decoder.decode(file.read_bytes())
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"{file.name}: {error}") from error
    if snapshot.format != FORMAT:
        raise SnapshotError(f"{file.name}: format {snapshot.format}, expected {FORMAT}")
    return snapshot
