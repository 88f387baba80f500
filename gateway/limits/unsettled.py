"""What a gateway has decided alone while the shared counters could not be asked, to be told to them later.

Memory is bounded by the limits and by the subscriptions that called meanwhile.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.catalogue.call_limits import CallLimits, QuotaRule, QuotaStand, RateRule


@dataclass(slots=True)
class UnsettledRate:
    """Times of calls that passed uncounted, and of calls that are counted and did not pass."""

    rule: RateRule
    times: deque[float]
    not_to_count: list[float] = field(default_factory=list)


@dataclass(slots=True)
class UnsettledQuota:
    """Calls and bytes to add to what is counted, and calls to take back, in the period that began then."""

    rule: QuotaRule
    start: float
    calls: int = 0
    bytes: int = 0
    taken_back: int = 0


@dataclass(slots=True)
class UnsettledOf:
    """Those of one subscription, by prefix."""

    rates: dict[str, UnsettledRate] = field(default_factory=dict)
    quotas: dict[str, UnsettledQuota] = field(default_factory=dict)


class Unsettled:
    def __init__(self) -> None:
        self._of: dict[bytes, UnsettledOf] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def add_call(self, limits: CallLimits, who: bytes, stands: Sequence[QuotaStand], time: float) -> None:
        """A call that passed at this time, with the stands that it led to here."""
        of = self._of.setdefault(who, UnsettledOf())
        for rate in limits.rates:
            self._rate(of, rate).times.append(time)
        for quota, stand in zip(limits.quotas, stands, strict=True):
            self._quota(of, quota, stand[0]).calls += 1

    def take_back_call(self, limits: CallLimits, who: bytes, stands: Sequence[QuotaStand | None], time: float) -> None:
        """A call that the shared counters counted at this time, and that did not pass.

        A stand is None where nothing is known but that the period runs at this time.
        """
        of = self._of.setdefault(who, UnsettledOf())
        for rate in limits.rates:
            self._rate(of, rate).not_to_count.append(time)
        for quota, stand in zip(limits.quotas, stands, strict=True):
            known = of.quotas.get(quota.prefix)
            start = stand[0] if stand is not None else known.start if known is not None else time
            self._quota(of, quota, start).taken_back += 1

    def add_bytes(self, quota: QuotaRule, who: bytes, start: float, size: int) -> None:
        self._quota(self._of.setdefault(who, UnsettledOf()), quota, start).bytes += size

    def pop(self, most: int) -> list[tuple[bytes, UnsettledOf]]:
        """Take out what is unsettled of so many subscriptions."""
        return [self._of.popitem() for _ in range(min(most, len(self._of)))]

    def put_back(self, who: bytes, what: UnsettledOf) -> None:
        of = self._of.setdefault(who, UnsettledOf())
        for one in what.rates.values():
            rate = self._rate(of, one.rule)
            rate.times = deque(sorted((*one.times, *rate.times)), maxlen=rate.times.maxlen)
            rate.not_to_count += one.not_to_count
        for other in what.quotas.values():
            quota = self._quota(of, other.rule, other.start)
            if quota.start == other.start:
                quota.calls += other.calls
                quota.bytes += other.bytes
                quota.taken_back += other.taken_back

    def _rate(self, of: UnsettledOf, rule: RateRule) -> UnsettledRate:
        rate = of.rates.get(rule.prefix)
        if rate is None or rate.times.maxlen != rule.calls:
            # No more than these can be in the window.
            rate = of.rates[rule.prefix] = UnsettledRate(
                rule, deque(rate.times if rate is not None else (), rule.calls), rate.not_to_count if rate else []
            )
        return rate

    def _quota(self, of: UnsettledOf, rule: QuotaRule, start: float) -> UnsettledQuota:
        quota = of.quotas.get(rule.prefix)
        if quota is None or quota.start < start:
            # What belongs to a period that is over does not count any more.
            quota = of.quotas[rule.prefix] = UnsettledQuota(rule, start)
        return quota
