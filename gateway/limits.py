"""Exact call rates and quotas, counted in this process, per product and subscription.

A rate limit is a sliding window: in any span of its length no more than its calls pass. A quota is
a fixed period that begins with its first call. A call that is refused costs nothing, neither rate
nor quota. Counts outlive a change of the limit.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from math import ceil
from typing import TypeAlias

from gateway.admission import JSON, Admitted, Refusal
from gateway.replies import error_body
from gateway.routing import Catalogue
from gateway.snapshot import Quota, RateLimit

SWEPT_PER_TURN = 1000

Counted: TypeAlias = tuple[int, bytes]
"""Product and subscription."""

QuotaCount: TypeAlias = tuple[float, int]
"""When the period began, and the calls in it. A later pair is always the greater one."""


class Counters:
    """Memory is bounded by the limits and by the subscriptions that called lately; see `sweep`."""

    def __init__(self) -> None:
        self._rates: dict[Counted, deque[float]] = {}
        self._quotas: dict[Counted, QuotaCount] = {}
        self._unswept: list[Counted] = []

    def take(self, admitted: Admitted, now: float) -> Refusal | None:
        """Count a call, or say why it cannot pass. `now` is a Unix time."""
        rate_limit, quota = admitted.rate_limit, admitted.quota
        if (rate_limit is None and quota is None) or admitted.product is None or admitted.subscription is None:
            return None
        counted = (admitted.product, admitted.subscription)
        times = None
        if rate_limit is not None:
            times = self._window(counted, rate_limit, now)
            if len(times) >= rate_limit.calls:
                return _refuse_rate(admitted, rate_limit, times, now)
        if quota is not None:
            start, calls = self._period(counted, quota, now)
            if quota.calls is not None and calls >= quota.calls:
                return _refuse_quota(admitted, quota, start, now)
            self._quotas[counted] = (start, calls + 1)
            admitted.quota_period_start, admitted.quota_calls = start, calls + 1
        if times is not None:
            times.append(now)
        return None

    def _window(self, counted: Counted, limit: RateLimit, now: float) -> deque[float]:
        """The times of the calls that still count."""
        times = self._rates.get(counted)
        if times is None:
            times = self._rates[counted] = deque()
        elif times and times[-1] > now:
            # The clock was set back: these calls were made by now, so that nobody waits longer than a period.
            times = self._rates[counted] = deque(min(time, now) for time in times)
        period = limit.renewal_period_seconds
        while times and times[0] + period <= now:
            times.popleft()
        return times

    def _period(self, counted: Counted, quota: Quota, now: float) -> QuotaCount:
        current = self._quotas.get(counted)
        return (now, 0) if current is None or _has_ended(current, quota, now) else current

    def rates(self) -> list[tuple[Counted, list[float]]]:
        """A copy of the times of calls that may still count, for the checkpoint."""
        return [(counted, list(times)) for counted, times in self._rates.items() if times]

    @property
    def sizes(self) -> tuple[int, int]:
        """How many rate windows and quota counts are held."""
        return len(self._rates), len(self._quotas)

    def restore_rates(self, rates: Mapping[Counted, Iterable[float]]) -> None:
        """Take over times of an earlier run, in any order. Those that are here already are the same calls."""
        for counted, times in rates.items():
            known = frozenset(self._rates.get(counted, ()))
            fresh = [time for time in times if time not in known]
            self._rates[counted] = deque(sorted([*self._rates.get(counted, ()), *fresh]))

    def quotas(self) -> list[tuple[Counted, QuotaCount]]:
        """A consistent copy, cheap at any size, for the checkpoint."""
        return list(self._quotas.items())

    def restore(self, counts: Iterable[tuple[Counted, QuotaCount]]) -> None:
        """Take over counts of an earlier run; in any order and also twice, for the greater one stays."""
        for counted, count in counts:
            current = self._quotas.get(counted)
            if current is None or count > current:
                self._quotas[counted] = count

    def sweep(self, catalogue: Catalogue, now: float) -> None:
        """Drop counters that no longer limit anything, some at each call. Call it about each second."""
        if not self._unswept:
            self._unswept = list(self._rates.keys() | self._quotas.keys())
        for counted in self._unswept[-SWEPT_PER_TURN:]:
            self._drop_if_idle(counted, catalogue, now)
        del self._unswept[-SWEPT_PER_TURN:]

    def _drop_if_idle(self, counted: Counted, catalogue: Catalogue, now: float) -> None:
        product_id, subscription = counted
        product = catalogue.products.get(product_id)
        if product is None or subscription not in catalogue.subscriptions.by_id:
            self._rates.pop(counted, None)
            self._quotas.pop(counted, None)
            return
        times, limit = self._rates.get(counted), product.rate_limit
        if times is not None and (not times or limit is None or times[-1] + limit.renewal_period_seconds <= now):
            del self._rates[counted]
        count, quota = self._quotas.get(counted), product.quota
        if count is not None and quota is not None and _has_ended(count, quota, now):
            del self._quotas[counted]


def _has_ended(count: QuotaCount, quota: Quota, now: float) -> bool:
    return quota.renewal_period_seconds > 0 and count[0] + quota.renewal_period_seconds <= now


def _refuse_rate(admitted: Admitted, limit: RateLimit, times: deque[float], now: float) -> Refusal:
    # The limit may have been lowered below what has passed: then more than the oldest must leave.
    wait = _whole_seconds(times[len(times) - limit.calls] + limit.renewal_period_seconds, now)
    message = f"Rate limit is exceeded. Try again in {wait} seconds."
    header = (limit.retry_after_header_name.encode(), b"%d" % wait)
    return _refusal(admitted, 429, message, (header,), "rate-limit", "RateLimitExceeded")


def _refuse_quota(admitted: Admitted, quota: Quota, start: float, now: float) -> Refusal:
    """A quota that is never renewed has no time to name."""
    message = "Out of call volume quota."
    retry_after: tuple[tuple[bytes, bytes], ...] = ()
    if quota.renewal_period_seconds > 0:
        wait = _whole_seconds(start + quota.renewal_period_seconds, now)
        message += f" Quota will be replenished in {time_span(wait)}."
        retry_after = ((b"Retry-After", b"%d" % wait),)
    return _refusal(admitted, 403, message, retry_after, "quota", "QuotaExceeded")


def _refusal(
    admitted: Admitted,
    status: int,
    message: str,
    extra: tuple[tuple[bytes, bytes], ...],
    source: str,
    reason: str,
) -> Refusal:
    return Refusal(
        status,
        error_body(status, message),
        (JSON, *extra),
        source,
        reason,
        admitted.url,
        admitted.api,
        admitted.operation,
        admitted.product,
        admitted.subscription,
        admitted.user,
    )


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
