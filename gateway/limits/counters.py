"""Exact call rates and quotas, counted in this process, per subscription and limit.

A rate limit is a sliding window: in any span of its length no more than its calls pass. A quota is
a fixed period that begins with its first call. A call that is refused costs nothing, in none of its
limits. Bytes are added when a call has ended, to the period that runs then; once they have reached
the quota, calls are refused. Counts outlive a change of the limit.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from math import ceil
from time import sleep
from typing import TypeAlias

from gateway.catalogue.admission import Admitted, Refusal
from gateway.catalogue.call_limits import CallLimits, QuotaRule, QuotaStand, RateRule, RateStand, Scope
from gateway.catalogue.routing import Catalogue
from gateway.limits.answers import bandwidth_left, lines_of, refuse_quota, refuse_rate
from gateway.limits.standing import Looked

SWEPT_PER_TURN = 1000
FIXED_AT_ONCE = 200

Windows: TypeAlias = Mapping[Scope, Mapping[bytes, Sequence[float]]]
"""The times of calls that may still count, by the limit's scope and by subscription."""

TimesOf: TypeAlias = dict[Scope, dict[bytes, deque[float]]]
"""As they are counted: they change with each call."""

Stands: TypeAlias = dict[Scope, dict[bytes, QuotaStand]]
"""Where quotas stand, by the quota's scope and by subscription."""


class Counters:
    """Memory is bounded by the limits and by the subscriptions that called lately; see `sweep`."""

    def __init__(self) -> None:
        self._rates: defaultdict[Scope, dict[bytes, deque[float]]] = defaultdict(dict)
        self._quotas: defaultdict[Scope, dict[bytes, QuotaStand]] = defaultdict(dict)
        self._unswept_scopes: list[Scope] = []
        self._unswept: list[bytes] = []
        self._swept_scope: Scope = (0, 0, 0)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many rate windows and quota counts are held."""
        return sum(map(len, self._rates.values())), sum(map(len, self._quotas.values()))

    def take(self, admitted: Admitted, now: float) -> Refusal | None:
        """Count a call in all its limits, or say why it cannot pass. `now` is a Unix time."""
        limits, subscription = admitted.limits, admitted.subscription
        if limits is None or subscription is None:
            return None
        # What the caller is told is gathered on the way: asking `lines_of` costs a fifth of all this.
        told: list[int] = []
        windows: list[deque[float]] = []
        for rate in limits.rates:
            times = self._window(rate, subscription, now)
            calls = len(times)
            if calls >= rate.calls:
                # The limit may have been lowered below what has passed: then more than the first must leave.
                until = times[calls - rate.calls] + rate.period
                return refuse_rate(admitted, limits, rate, until, now, self._lines(limits, subscription, now))
            windows.append(times)
            told += (rate.calls - calls - 1, ceil((times[0] if calls else now) + rate.period - now))
        stands: list[QuotaStand] = []
        for quota in limits.quotas:
            start, calls, used = stand = self._stand(quota, subscription, now)
            if (quota.calls is not None and calls >= quota.calls) or (quota.bytes is not None and used >= quota.bytes):
                return refuse_quota(admitted, quota, stand, now, self._lines(limits, subscription, now))
            stands.append((start, calls + 1, used))
            if quota.calls is not None:
                told.append(quota.calls - calls - 1)
                if quota.period:
                    told.append(ceil(start + quota.period - now))
        for times in windows:
            times.append(now)
        for index, quota in enumerate(limits.quotas):
            self._quotas[quota.scope][subscription] = stands[index]
        if limits.bandwidth:
            told += bandwidth_left(limits, stands, now)
        if limits.repeats_calls_left:
            told.append(told[0])
        admitted.stands = stands
        admitted.limit_lines = limits.lines % tuple(told)
        return None

    def _window(self, rate: RateRule, subscription: bytes, now: float) -> deque[float]:
        """The times of the calls that still count."""
        windows = self._rates[rate.scope]
        times = windows.get(subscription)
        if times is None:
            times = windows[subscription] = deque()
        elif times and times[-1] > now:
            # The clock was set back: these calls were made by now, so that nobody waits longer than a period.
            times = windows[subscription] = deque(min(time, now) for time in times)
        while times and times[0] + rate.period <= now:
            times.popleft()
        return times

    def _stand(self, quota: QuotaRule, subscription: bytes, now: float) -> QuotaStand:
        stand = self._quotas[quota.scope].get(subscription)
        if stand is None or _has_ended(stand, quota, now):
            return now, 0, 0
        if stand[0] > now:
            # The clock was set back: the period began by now, so that it does not last any longer.
            stand = self._quotas[quota.scope][subscription] = (now, *stand[1:])
        return stand

    def _lines(self, limits: CallLimits, subscription: bytes, now: float) -> bytes:
        """What a call that is refused is told."""
        looked = self.look(limits.rates, limits.quotas, subscription, now)
        return lines_of(limits, looked.rates, looked.quotas, now)

    def look(self, rates: Sequence[RateRule], quotas: Sequence[QuotaRule], subscription: bytes, now: float) -> Looked:
        """Where these limits stand; nothing is counted."""
        return Looked(
            [self._rate_stand(rate, subscription, now) for rate in rates],
            [self._stand(quota, subscription, now) for quota in quotas],
            now,
        )

    def _rate_stand(self, rate: RateRule, subscription: bytes, now: float) -> RateStand:
        if subscription not in self._rates[rate.scope]:
            return 0, now
        times = self._window(rate, subscription, now)
        return len(times), times[0] if times else now

    def add_bytes(self, admitted: Admitted, size: int, now: float) -> None:
        """Count the bytes of a call that has ended, where its quotas do; its stands are then those of now."""
        limits, subscription = admitted.limits, admitted.subscription
        if limits is None or subscription is None or not limits.bandwidth:
            return
        stands = []
        for quota in limits.quotas:
            start, calls, used = self._stand(quota, subscription, now)
            if quota.bytes is not None:
                used += size
                self._quotas[quota.scope][subscription] = (start, calls, used)
            stands.append((start, calls, used))
        admitted.stands = stands

    def follow(self, limits: CallLimits, subscription: bytes, stands: Sequence[QuotaStand], time: float) -> None:
        """Take over what the shared counters said of a call that they counted."""
        for rate in limits.rates:
            self._window(rate, subscription, time).append(time)
        self.know(limits, subscription, stands)

    def know(self, limits: CallLimits, subscription: bytes, stands: Sequence[QuotaStand]) -> None:
        """Take over where the shared counters say that the quotas stand."""
        for index, quota in enumerate(limits.quotas):
            self._quotas[quota.scope][subscription] = stands[index]

    def stand(self, quota: QuotaRule, subscription: bytes) -> QuotaStand | None:
        return self._quotas[quota.scope].get(subscription)

    def times(self) -> TimesOf:
        """The times of calls that may still count, for the checkpoint; cheap at any size. See `fixed`."""
        return {scope: windows.copy() for scope, windows in self._rates.items()}

    def rates(self) -> Windows:
        return fixed(self.times())

    def restore_rates(self, rates: Windows) -> None:
        """Take over times of an earlier run, in any order. Those that are here already are the same calls."""
        for scope, windows in rates.items():
            for subscription, times in windows.items():
                known = frozenset(self._rates[scope].get(subscription, ()))
                fresh = [time for time in times if time not in known]
                self._rates[scope][subscription] = deque(sorted([*self._rates[scope].get(subscription, ()), *fresh]))

    def quotas(self) -> Stands:
        """A consistent copy, cheap at any size, for the checkpoint."""
        return {scope: stands.copy() for scope, stands in self._quotas.items()}

    def restore(self, quotas: Stands) -> None:
        """Take over stands of an earlier run; in any order and also twice, for the greater one stays."""
        for scope, stands in quotas.items():
            for subscription, stand in stands.items():
                current = self._quotas[scope].get(subscription)
                if current is None or stand > current:
                    self._quotas[scope][subscription] = stand

    def sweep(self, catalogue: Catalogue, now: float) -> None:
        """Drop counters that no longer limit anything, some at each call. Call it about each second."""
        left = SWEPT_PER_TURN
        if not self._unswept and not self._unswept_scopes:
            self._unswept_scopes = list(self._rates.keys() | self._quotas.keys())
        while left > 0 and (self._unswept or self._unswept_scopes):
            if not self._unswept:
                self._swept_scope = scope = self._unswept_scopes.pop()
                self._unswept = [*self._rates.get(scope, ()), *self._quotas.get(scope, ())]
            for subscription in self._unswept[-left:]:
                self._drop_if_idle(self._swept_scope, subscription, catalogue, now)
            swept = min(left, len(self._unswept))
            del self._unswept[-swept:]
            # A scope without any costs something too.
            left -= max(swept, 1)

    def _drop_if_idle(self, scope: Scope, subscription: bytes, catalogue: Catalogue, now: float) -> None:
        limits = catalogue.limits.get(scope[0])
        windows, stands = self._rates[scope], self._quotas[scope]
        if limits is None or subscription not in catalogue.subscriptions.by_id:
            windows.pop(subscription, None)
            stands.pop(subscription, None)
            return
        times, rate = windows.get(subscription), limits.rates.get(scope)
        if times is not None and (not times or rate is None or times[-1] + rate.period <= now):
            del windows[subscription]
        stand, quota = stands.get(subscription), limits.quotas.get(scope)
        if stand is not None and quota is not None and _has_ended(stand, quota, now):
            del stands[subscription]


def fixed(times: TimesOf) -> Windows:
    """For another thread, while calls are counted: each copy is made at once, which nothing can interrupt.

    It lets go of the interpreter often, so that no call has to wait for it. Tuples are soon left
    alone by the garbage collector.
    """
    found: dict[Scope, dict[bytes, Sequence[float]]] = {}
    for scope, windows in times.items():
        found[scope] = {}
        for number, (subscription, those) in enumerate(windows.items()):
            if copy := tuple(those):
                found[scope][subscription] = copy
            if number % FIXED_AT_ONCE == 0:
                sleep(0)
    return found


def _has_ended(stand: QuotaStand, quota: QuotaRule, now: float) -> bool:
    return quota.period > 0 and stand[0] + quota.period <= now
