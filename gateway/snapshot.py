"""The gateway's configuration as one immutable value.

The publisher writes it from the database into a file; each gateway process reads that file at
start and whenever it changes. A file that cannot be read leaves the old snapshot serving.
"""

import os
from pathlib import Path

import msgspec

FORMAT = 1


class SnapshotError(ValueError):
    """The file does not hold a snapshot that this gateway can serve."""


class Operation(msgspec.Struct, frozen=True, array_like=True):
    id: int
    method: str
    url_template: str


class API(msgspec.Struct, frozen=True, array_like=True):
    """`open_product` is the product (id) that lets this API be called without a key, if there is one."""

    id: int
    path: str
    service_url: str
    schemes: tuple[str, ...]
    subscription_required: bool
    key_header_name: str
    key_query_name: str
    open_product: int | None
    operations: tuple[Operation, ...]


class RateLimit(msgspec.Struct, frozen=True, array_like=True):
    """At most `calls` in any `renewal_period_seconds` (sliding window), per subscription."""

    calls: int
    renewal_period_seconds: int
    retry_after_header_name: str = "Retry-After"


class Quota(msgspec.Struct, frozen=True, array_like=True):
    """At most `calls` in a period that begins with its first call; period 0 never ends."""

    calls: int
    renewal_period_seconds: int


class Product(msgspec.Struct, frozen=True, array_like=True):
    """A product whose policy document is broken refuses its calls rather than let them pass unlimited."""

    id: int
    apis: tuple[int, ...]
    rate_limit: RateLimit | None = None
    quota: Quota | None = None
    policy_is_broken: bool = False


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


class Snapshot(msgspec.Struct, frozen=True):
    revision: int
    service_name: str
    gateway_url: str
    apis: tuple[API, ...]
    products: tuple[Product, ...]
    subscriptions: tuple[Subscription, ...]
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
