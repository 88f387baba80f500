"""What a record of the journal means: a call's row, the counts it adds to, where its quota stands.

Callers of the gateway chose method and URL, so both may hold anything. A record from which no row
can be made raises ValueError or OverflowError.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from analytics.call_classes import SUCCESS, call_class
from gateway.catalogue.cause import Cause, KeyRefused
from gateway.http.masking import MOST_FIELDS, Pairs
from gateway.journal.record import RECORDED_KEY_BYTES, CallRecord

QUARTER_SECONDS = 15 * 60
MAX_METHOD_CHARACTERS = 40
MAX_URL_CHARACTERS = 8192
MAX_ADDRESS_CHARACTERS = 45
LIMITS = frozenset({"rate-limit", "quota"})
NOT_LET_THROUGH = LIMITS | {"authorization", "configuration", "counters"}
CALL_FIELDS = (
    "at",
    "request_id",
    "gateway",
    "api_id",
    "operation_id",
    "product_id",
    "subscription_id",
    "user_id",
    "method",
    "url",
    "caller_address",
    "response_code",
    "backend_code",
    "total_ms",
    "backend_ms",
    "request_bytes",
    "response_bytes",
    "error_source",
    "error_reason",
    "country",
    "region",
    "key_prefix",
    "cause",
    "request_headers",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Counts:
    """Calls of one subscription in one quarter of an hour."""

    calls: int = 0
    refused: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class QuotaStand:
    """How many calls and bytes a quota period had counted."""

    period_start: datetime
    calls: int
    bytes: int
    product: int


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When, and from which address, a key was used last."""

    at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class FirstCall:
    """When a subscription was called first, and when with success first."""

    called_at: datetime
    succeeded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Usage:
    """The sums of some records: by subscription and quarter, the latest stand of each quota, the first
    calls of each subscription, and the last use of each key, by its subscription and the start of its
    digest in hexadecimal. Quotas inside of a product's are those of an API and an operation, which is 0
    for the whole API.
    """

    quarters: dict[tuple[UUID, datetime], Counts]
    quotas: dict[UUID, QuotaStand]
    inner_quotas: dict[tuple[UUID, int, int], QuotaStand]
    first_calls: dict[UUID, FirstCall]
    keys: dict[tuple[UUID, str], KeyUse]


def usage_of(records: Iterable[CallRecord], kept_address: Callable[[str], str]) -> Usage:
    """`kept_address` makes of a caller's address what is kept of it."""
    quarters: defaultdict[tuple[bytes, int], Counts] = defaultdict(Counts)
    quotas: dict[bytes, tuple[float, int, int, int]] = {}
    inner_quotas: dict[tuple[bytes, int, int], tuple[float, int, int, int]] = {}
    first_calls: dict[bytes, float] = {}
    first_successes: dict[bytes, float] = {}
    keys: dict[tuple[bytes, bytes], tuple[float, str]] = {}
    for record in records:
        subscription = record.subscription
        if subscription is None:
            continue
        first_calls[subscription] = min(record.at, first_calls.get(subscription, record.at))
        if call_class(record.response_code) == SUCCESS:
            first_successes[subscription] = min(record.at, first_successes.get(subscription, record.at))
        if record.error_source in LIMITS:
            quarters[subscription, int(record.at // QUARTER_SECONDS)].refused += 1
        elif record.error_source not in NOT_LET_THROUGH:
            counts = quarters[subscription, int(record.at // QUARTER_SECONDS)]
            counts.calls += 1
            counts.bytes += record.request_bytes + record.response_bytes
        if record.product is not None and record.quota_period_start is not None and record.quota_calls is not None:
            stand = (record.quota_period_start, record.quota_calls, record.quota_bytes, record.product)
            quotas[subscription] = max(stand, quotas.get(subscription, stand))
        if record.product is not None and record.inner_quotas:
            for api, operation, start, calls, size in record.inner_quotas:
                stand, quota = (start, calls, size, record.product), (subscription, api, operation)
                inner_quotas[quota] = max(stand, inner_quotas.get(quota, stand))
        # A key that opened nothing was not used.
        if record.key and record.error_source != "authorization":
            use, key = (record.at, record.caller_address), (subscription, record.key)
            keys[key] = max(use, keys.get(key, use))
    return Usage(
        {(guid(key), _moment(quarter * QUARTER_SECONDS)): counts for (key, quarter), counts in quarters.items()},
        {guid(key): QuotaStand(_moment(start), *rest) for key, (start, *rest) in quotas.items()},
        {
            (guid(key), api, operation): QuotaStand(_moment(start), *rest)
            for (key, api, operation), (start, *rest) in inner_quotas.items()
        },
        {
            guid(key): FirstCall(_moment(at), _moment(first_successes[key]) if key in first_successes else None)
            for key, at in first_calls.items()
        },
        {
            (guid(subscription), key.hex()): KeyUse(
                _moment(at), _bounded(kept_address(address), MAX_ADDRESS_CHARACTERS)
            )
            for (subscription, key), (at, address) in keys.items()
        },
    )


def call(
    record: CallRecord,
    gateway: str,
    country: str,
    kept_address: Callable[[str], str],
    kept_headers: Callable[[Pairs], Pairs],
) -> tuple[Any, ...]:
    """The values of CALL_FIELDS. `kept_headers` makes of the request's headers what is kept of them."""
    return (
        _moment(record.at),
        guid(record.request_id),
        gateway,
        record.api,
        record.operation,
        record.product,
        guid(record.subscription) if record.subscription is not None else None,
        record.user,
        _text(record.method, MAX_METHOD_CHARACTERS),
        _text(record.url, MAX_URL_CHARACTERS),
        _address(kept_address(record.caller_address)),
        record.response_code,
        record.backend_code,
        record.total_seconds * 1000,
        record.backend_seconds * 1000 if record.backend_seconds is not None else None,
        record.request_bytes,
        record.response_bytes,
        _bounded(record.error_source, 40),
        _bounded(record.error_reason, 60),
        country,
        _bounded(record.region, 50),
        record.key[:RECORDED_KEY_BYTES].hex(),
        _cause(record.cause) if record.cause is not None else None,
        _headers(kept_headers(record.request_headers)) if record.request_headers else None,
    )


def _cause(cause: Cause) -> str:
    """As JSON, without what says nothing."""
    values = {name: getattr(cause, name) for name in cause.__struct_fields__}
    if isinstance(cause, KeyRefused) and cause.ended_at is not None:
        values["ended_at"] = _moment(cause.ended_at)
    kept = {name: value for name, value in values.items() if value not in ("", None)}
    return _json({"kind": cause.__struct_config__.tag, **kept})


def _headers(headers: Pairs) -> str:
    return _json([[_text(name, 100), _text(value, 1024)] for name, value in headers[:MOST_FIELDS]])


def _json(value: object) -> str:
    """PostgreSQL takes no NUL in JSON either."""
    return msgspec.json.encode(value).decode().replace("\\u0000", "\\\\x00")


def guid(value: bytes) -> UUID:
    """Of its 16 bytes, or of its text."""
    return UUID(bytes=value) if len(value) == 16 else UUID(value.decode("ascii"))


def _moment(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _text(value: bytes, max_characters: int) -> str:
    """Bytes as text that shows all of them."""
    return _bounded(value[:max_characters].decode("utf-8", "backslashreplace"), max_characters)


def _address(address: str) -> str:
    return _bounded(address, MAX_ADDRESS_CHARACTERS)


def _bounded(text: str, max_characters: int) -> str:
    """PostgreSQL takes no NUL."""
    return text.replace("\0", "\\x00")[:max_characters]
