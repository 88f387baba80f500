"""Where the limits of a subscription stand, for whoever asks beside its calls: looked at, never counted."""

from collections.abc import Iterator, Sequence
from math import ceil

import msgspec

from gateway.catalogue.call_limits import ProductLimits, QuotaRule, QuotaStand, RateRule, RateStand

# No more are asked about at once: their ids fit into the head of a request to the management server.
MOST_SUBSCRIPTIONS = 50


class Looked(msgspec.Struct, frozen=True):
    """Where some limits stand, in their order, and when that was.

    `is_certain` is False where the shared counters could not be asked, so that these are the counts of one worker.
    """

    rates: Sequence[RateStand]
    quotas: Sequence[QuotaStand]
    now: float
    is_certain: bool = True


class LimitStand(msgspec.Struct, frozen=True):
    """One limit: `kind` is "rate", "quota" or "bandwidth", whose numbers are calls, calls and bytes.

    `api` and `operation` are 0 where it is about all of them. `resets_in_seconds` is `t` of the RateLimit
    header; None where nothing is used yet, and where a quota is never renewed. A period of 0 never ends.
    """

    kind: str
    api: int
    operation: int
    limit: int
    used: int
    left: int
    period_seconds: int
    resets_in_seconds: int | None


class SubscriptionLimits(msgspec.Struct, frozen=True):
    limits: tuple[LimitStand, ...] = ()
    is_certain: bool = True


def standing(limits: ProductLimits, looked: Looked) -> SubscriptionLimits:
    """The numbers that the RateLimit headers tell, of all limits of a product."""
    found = (*_rates(limits, looked), *_quotas(limits, looked))
    return SubscriptionLimits(found, looked.is_certain)


def _rates(limits: ProductLimits, looked: Looked) -> Iterator[LimitStand]:
    for rule, (calls, first) in zip(limits.rates.values(), looked.rates, strict=True):
        yield _stand("rate", rule, rule.calls, calls, first if calls else None, looked.now)


def _quotas(limits: ProductLimits, looked: Looked) -> Iterator[LimitStand]:
    for rule, (start, calls, used) in zip(limits.quotas.values(), looked.quotas, strict=True):
        begun = start if calls or used else None
        if rule.calls is not None:
            yield _stand("quota", rule, rule.calls, calls, begun, looked.now)
        if rule.bytes is not None:
            yield _stand("bandwidth", rule, rule.bytes, used, begun, looked.now)


def _stand(kind: str, rule: RateRule | QuotaRule, limit: int, used: int, start: float | None, now: float) -> LimitStand:
    _, api, operation = rule.scope
    resets_in = ceil(start + rule.period - now) if start is not None and rule.period else None
    return LimitStand(kind, api, operation, limit, used, max(limit - used, 0), rule.period, resets_in)
