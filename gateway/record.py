"""The record of one call: what the journal keeps and usage is made from."""

import msgspec


class CallRecord(msgspec.Struct, frozen=True, array_like=True):
    """Written before the caller sees the end of the answer.

    Times are Unix times and seconds. `url` is path and query without the subscription key.
    `error_source` and `error_reason` are Azure's LastError words (empty for a call that went well).
    `quota_period_start` and `quota_calls` say what the subscription's quota stood at after this
    call; they are None where no quota counted it. `rate_period_seconds` is how long the call counts
    toward a rate limit, None where none counted it.
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
