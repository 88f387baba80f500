"""The gateway's configuration as one immutable value, and the file in which it travels.

The publisher writes the file from the database; each gateway process reads it at start and follows
it. The file is MAGIC and frames (see `frames`), each of them a Part in MessagePack. Parts up to one
that has an `end` make a change. The first change of a file is the whole configuration; those behind
it were appended since, and hold what has changed. To begin anew, a file is replaced in one step. So
what lies behind the last `end` is being written, or was torn off by a crash. Parts are small, so
that none takes long to read.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gateway.configuration.frames import DamagedFrame, FrameReader, frame
from gateway.replacing import replace_file

MAGIC = b"APIMS3\r\n"
BATCH_ROWS = 50

_Row = TypeVar("_Row")


class SnapshotError(ValueError):
    """The file does not hold a snapshot that this gateway can serve."""


# Rows that there can be many of are kept from the garbage collector, which would have to walk them
# all: they have no cycles.
class Deprecation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Times are Unix seconds. The URLs are encoded; empty where there is none."""

    since: int
    sunset: int | None = None
    successor_url: str = ""
    migration_url: str = ""


class Operation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`deprecation` is None where the API's counts."""

    id: int
    method: str
    url_template: str
    deprecation: Deprecation | None = None


class API(msgspec.Struct, frozen=True, array_like=True, gc=False):
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
    allow_encoded_slashes: bool = False
    deprecation: Deprecation | None = None


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

    def __repr__(self) -> str:
        """Without anything secret, for it may end up in a traceback."""
        certificate = ", a certificate" if self.certificate_pem else ""
        return f"Credentials({len(self.headers)} headers, {len(self.query)} parameters{certificate})"


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


class Product(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A product whose policy document is broken refuses its calls rather than let them pass unlimited.

    `name` is what metrics call it.
    """

    id: int
    apis: tuple[int, ...]
    rate_limit: RateLimit | None = None
    quota: Quota | None = None
    policy_is_broken: bool = False
    name: str = ""


class Subscription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One scope is set: `product`, `api`, or neither for all APIs. `expires_at` is a Unix time.

    `keys` are the digests (see `key_digest`) of the primary and the secondary key; `old_keys` those of
    keys that were replaced, each with the Unix time until which it works. `inactive_because` is the
    subscription's state where that is not active, or `owner`.
    """

    id: bytes
    owner: int | None
    product: int | None
    api: int | None
    is_active: bool
    expires_at: float | None
    keys: tuple[bytes, ...]
    allow_tracing: bool = False
    old_keys: tuple[tuple[bytes, float], ...] = ()
    inactive_because: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    revision: int
    service_name: str
    gateway_url: str
    apis: tuple[API, ...] = ()
    products: tuple[Product, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    backends: tuple[Backend, ...] = ()


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """Ids of rows that are no more."""

    apis: tuple[int, ...] = ()
    products: tuple[int, ...] = ()
    subscriptions: tuple[bytes, ...] = ()
    backends: tuple[int, ...] = ()


class End(msgspec.Struct, frozen=True, array_like=True):
    """Completes a change. `published_at` is a Unix time by the publisher's clock."""

    revision: int
    service_name: str
    gateway_url: str
    published_at: float


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Rows, each of which is new or replaces the one of the same id, and rows that are gone."""

    apis: tuple[API, ...] = ()
    products: tuple[Product, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    backends: tuple[Backend, ...] = ()
    gone: Gone = Gone()
    end: End | None = None

    @property
    def tells_of_catalogue(self) -> bool:
        """Whether there is more in it than subscriptions."""
        gone = self.gone
        return bool(self.apis or self.products or self.backends or gone.apis or gone.products or gone.backends)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Part).decode


@dataclass(slots=True)
class CatalogueRows:
    """All but the subscriptions, by ids: few enough to be copied for each change."""

    apis: dict[int, API] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    backends: dict[int, Backend] = field(default_factory=dict)

    def copy(self) -> "CatalogueRows":
        return CatalogueRows(self.apis.copy(), self.products.copy(), self.backends.copy())

    def change(self, part: Part) -> None:
        self.apis |= {row.id: row for row in part.apis}
        self.products |= {row.id: row for row in part.products}
        self.backends |= {row.id: row for row in part.backends}
        for gone, rows in (
            (part.gone.apis, self.apis),
            (part.gone.products, self.products),
            (part.gone.backends, self.backends),
        ):
            for row in gone:
                rows.pop(row, None)

    def snapshot(self, end: End, subscriptions: tuple[Subscription, ...] = ()) -> Snapshot:
        return Snapshot(
            revision=end.revision,
            service_name=end.service_name,
            gateway_url=end.gateway_url,
            apis=tuple(self.apis.values()),
            products=tuple(self.products.values()),
            subscriptions=subscriptions,
            backends=tuple(self.backends.values()),
        )


# -- Writing -------------------------------------------------------------------------------------


def write(snapshot: Snapshot, file: Path) -> int:
    """Replace the file in one step, so that a reader sees the old or the new one whole. Gives its size."""
    frames = (frame(_encode(part)) for part in _parts(snapshot, Gone()))
    return replace_file(file, chain((MAGIC,), frames), mode=0o600)


def append(changed: Snapshot, gone: Gone, file: Path, size: int) -> int:
    """Add a change to a file of this size, and give the new size. `changed` holds only rows that changed.

    Raises OSError, and SnapshotError where the file is another one; then it has to be written anew.
    """
    with file.open("r+b") as stream:
        if stream.seek(0, os.SEEK_END) != size:
            raise SnapshotError(f"{file.name}: somebody else has written to it")
        stream.write(b"".join(frame(_encode(part)) for part in _parts(changed, gone)))
        stream.flush()
        os.fsync(stream.fileno())
        return stream.tell()


def _parts(snapshot: Snapshot, gone: Gone) -> Iterator[Part]:
    for api in snapshot.apis:
        yield Part(apis=(api,))
    for products in _batches(snapshot.products):
        yield Part(products=products)
    for backends in _batches(snapshot.backends):
        yield Part(backends=backends)
    for subscriptions in _batches(snapshot.subscriptions):
        yield Part(subscriptions=subscriptions)
    yield Part(gone=gone, end=End(snapshot.revision, snapshot.service_name, snapshot.gateway_url, time.time()))


def _batches(rows: Sequence[_Row]) -> Iterator[tuple[_Row, ...]]:
    for start in range(0, len(rows), BATCH_ROWS):
        yield tuple(rows[start : start + BATCH_ROWS])


# -- Reading -------------------------------------------------------------------------------------


class Reader:
    """Reads the parts of one file, from its start and then as they are appended. Close it.

    While it is open, no other file can have the same identity.
    """

    def __init__(self, file: Path) -> None:
        """Raises OSError."""
        self._name = file.name
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self._frames: FrameReader | None = None

    @property
    def position(self) -> int:
        return self._frames.position if self._frames is not None else 0

    def next(self) -> Part | None:
        """The next part; None where it is not (wholly) there yet. Raises SnapshotError and OSError."""
        try:
            if self._frames is None:
                if os.pread(self._descriptor, len(MAGIC), 0) != MAGIC:
                    raise SnapshotError(f"{self._name}: not a snapshot of this version")
                self._frames = FrameReader(self._descriptor, len(MAGIC))
            payload = self._frames.next()
            return _decode(payload) if payload is not None else None
        except (DamagedFrame, msgspec.MsgspecError) as error:
            raise SnapshotError(f"{self._name}: {error}") from error

    def close(self) -> None:
        os.close(self._descriptor)


class Content(NamedTuple):
    """What a file says; its size, and the size that it began with."""

    snapshot: Snapshot
    size: int
    first_size: int


def read(file: Path) -> Snapshot:
    """Raises SnapshotError, also where the last change is not complete; OSError where it cannot be read."""
    return read_content(file).snapshot


def read_content(file: Path) -> Content:
    """Like `read`."""
    reader = Reader(file)
    try:
        return _content(reader, file)
    finally:
        reader.close()


def _content(reader: Reader, file: Path) -> Content:
    rows = CatalogueRows()
    subscriptions: dict[bytes, Subscription] = {}
    end, first_size = None, 0
    while (part := reader.next()) is not None:
        rows.change(part)
        subscriptions |= {row.id: row for row in part.subscriptions}
        for gone in part.gone.subscriptions:
            subscriptions.pop(gone, None)
        end = part.end
        first_size = first_size or (reader.position if end is not None else 0)
    if end is None or file.stat().st_size != reader.position:
        raise SnapshotError(f"{file.name}: its last change is not complete")
    return Content(rows.snapshot(end, tuple(subscriptions.values())), reader.position, first_size)
