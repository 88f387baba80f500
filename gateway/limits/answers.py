"""What callers are told of their limits: how much is left, and that it is used up. The texts are Azure's."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Literal

from gateway.catalogue.admission import JSON, Admitted, Refusal
from gateway.catalogue.call_limits import CallLimits, QuotaRule, QuotaStand, RateRule, RateStand, Scope
from gateway.catalogue.cause import LimitReached
from gateway.http.replies import error_body


def lines_of(limits: CallLimits, rates: Sequence[RateStand], quotas: Sequence[QuotaStand], now: float) -> bytes:
    """The field lines that tell what is left, with stands in the order of the limits. No number is below 0."""
    values: list[int] = []
    for index, rate in enumerate(limits.rates):
        calls, first = rates[index]
        values.append(rate.calls - calls if calls < rate.calls else 0)
        values.append(ceil(first + rate.period - now))
    for index, quota in enumerate(limits.quotas):
        if quota.calls is not None:
            start, calls, _ = quotas[index]
            values.append(quota.calls - calls if calls < quota.calls else 0)
            if quota.period:
                values.append(ceil(start + quota.period - now))
    if limits.bandwidth:
        values += bandwidth_left(limits, quotas, now)
    if limits.repeats_calls_left:
        values.append(values[0])
    return limits.lines % tuple(values)


def bandwidth_left(limits: CallLimits, quotas: Sequence[QuotaStand], now: float) -> Iterator[int]:
    """The bytes left of each quota that counts them, and the seconds until it begins anew."""
    for quota, (start, _, used) in zip(limits.quotas, quotas, strict=True):
        if quota.bytes is not None:
            yield max(quota.bytes - used, 0)
            if quota.period:
                yield ceil(start + quota.period - now)


def refuse_rate(
    admitted: Admitted, limits: CallLimits, rate: RateRule, until: float, now: float, lines: bytes
) -> Refusal:
    """`until` is when the next call can pass the rate, which is one of the limits."""
    wait = _whole_seconds(until, now)
    message = f"Rate limit is exceeded. Try again in {wait} seconds."
    headers = (JSON, (limits.retry_after, b"%d" % wait))
    cause = LimitReached("rate-limit", *_named(rate.scope), "calls", rate.calls, rate.period, wait)
    return _refusal(admitted, 429, message, headers, "rate-limit", "RateLimitExceeded", lines, cause)


def refuse_quota(admitted: Admitted, quota: QuotaRule, stand: QuotaStand, now: float, lines: bytes) -> Refusal:
    """A quota that is never renewed has no time to name."""
    start, calls, _ = stand
    is_about_calls = quota.calls is not None and calls >= quota.calls
    message = f"Out of {'call volume' if is_about_calls else 'bandwidth'} quota."
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
    wait: int | None = None
    if quota.period:
        wait = _whole_seconds(start + quota.period, now)
        message += f" Quota will be replenished in {time_span(wait)}."
        headers = (JSON, (b"Retry-After", b"%d" % wait))
    counts: Literal["calls", "bytes"] = "calls" if is_about_calls else "bytes"
    limit = (quota.calls if is_about_calls else quota.bytes) or 0
    cause = LimitReached("quota", *_named(quota.scope), counts, limit, quota.period, wait)
    return _refusal(admitted, 403, message, headers, "quota", "QuotaExceeded", lines, cause)


def refuse_uncounted(admitted: Admitted) -> Refusal:
    """The shared counters cannot be asked, and the setting says that nothing passes uncounted."""
    headers = (JSON, (b"Retry-After", b"1"))
    message = "The call limits cannot be checked at the moment."
    return _refusal(admitted, 503, message, headers, "counters", "CountersUnavailable", b"")


def _refusal(
    admitted: Admitted,
    status: int,
    message: str,
    headers: tuple[tuple[bytes, bytes], ...],
    source: str,
    reason: str,
    lines: bytes,
    cause: LimitReached | None = None,
) -> Refusal:
    return Refusal(
        status,
        error_body(status, message),
        headers,
        source,
        reason,
        admitted.url,
        admitted.api,
        admitted.operation,
        admitted.product,
        admitted.subscription,
        admitted.user,
        lines,
        admitted.key,
        cause,
    )


def _named(scope: Scope) -> tuple[Literal["product", "api", "operation"], int]:
    product, api, operation = scope
    if operation:
        return "operation", operation
    return ("api", api) if api else ("product", product)


def _whole_seconds(until: float, now: float) -> int:
    """Seconds to wait, at least 1, so many that the wait is over after them."""
    wait = max(ceil(until - now), 1)
    return wait if now + wait >= until else wait + 1


def time_span(seconds: int) -> str:
    """As .NET writes it: `00:30:02`, with days `14.07:13:56`."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    clock = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{days}.{clock}" if days else clock
