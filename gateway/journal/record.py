"""The record of one call: what the journal keeps and usage is made from."""

from typing import TypeAlias

import msgspec

from gateway.catalogue.cause import Cause

InnerQuotaStand: TypeAlias = tuple[int, int, float, int, int]
"""API, operation (0: all of the API's), when the period began, calls and bytes in it."""

InnerRatePeriod: TypeAlias = tuple[int, int, int]
"""API, operation (0: all of the API's), and the limit's period in seconds."""

RECORDED_KEY_BYTES = 8


class CallRecord(msgspec.Struct, frozen=True, array_like=True):
    """Written before the caller sees the end of the answer.

    Times are Unix times and seconds. `url` is path and query without subscription key and other secrets.
    `error_source` and `error_reason` are Azure's LastError words (empty for a call that went well).
    `quota_period_start`, `quota_calls` and `quota_bytes` say what the subscription's quota of the
    product stood at after this call; the first two are None where no quota counted it.
    `rate_period_seconds` is how long the call counts toward the product's rate limit, None where
    none counted it. The same is said of the limits of APIs and operations in `inner_quotas` and
    `inner_rates`. `limits_unverified`: the shared counters could not be asked, so that this
    gateway's own let the call pass. `key` is the start (8 bytes) of the digest of the key that was
    sent: it tells one of a subscription's keys from the others, and opens nothing. Parts of gateways
    before `cause` hold it for keys that opened only. `request_headers` are those of calls answered
    with 400 or above, without secrets; see `gateway.http.masking`.
    """

    at: float
    request_id: bytes
    api: int | None
    operation: int | None
    product: int | None
    subscription: bytes | None
    user: int | None
    method: bytes
    url: bytes
    caller_address: str
    response_code: int
    backend_code: int | None
    total_seconds: float
    backend_seconds: float | None
    request_bytes: int
    response_bytes: int
    error_source: str = ""
    error_reason: str = ""
    quota_period_start: float | None = None
    quota_calls: int | None = None
    rate_period_seconds: int | None = None
    quota_bytes: int = 0
    inner_quotas: tuple[InnerQuotaStand, ...] = ()
    inner_rates: tuple[InnerRatePeriod, ...] = ()
    limits_unverified: bool = False
    key: bytes = b""
    cause: Cause | None = None
    region: str = ""
    request_headers: tuple[tuple[bytes, bytes], ...] = ()
