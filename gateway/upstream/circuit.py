"""Which backends may be called: circuit breakers, and the health of the members of pools.

A circuit is closed while its backend is called. Failures open it for some time; then one call, the
trial, goes through and decides. Times are the loop's, and are arguments.

- With a Breaker rule (Azure: backends, circuit breaker) so many failures within an interval open it.
- Without one, for members of pools, so many failures in a row do: the more often, the longer.
"""

import re
from collections import deque
from collections.abc import Set
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.configuration.snapshot import Breaker

FAILURES_IN_A_ROW: Final = 3
LEFT_OUT_SECONDS: Final = 1.0
LEFT_OUT_SECONDS_AT_MOST: Final = 32.0
# What a backend can ask for, where its rule accepts a Retry-After.
RETRY_AFTER_SECONDS_AT_MOST: Final = 3600.0
_RETRY_AFTER: Final = re.compile(rb"(?i)\r\nretry-after:[ \t]*+([^\r]*+)")


class Circuit:
    """Of one backend. `open_until` is 0 while it is closed; `is_tried` while the trial is under way."""

    __slots__ = ("_failures", "is_tried", "open_until", "rule", "trips")

    def __init__(self, rule: Breaker | None) -> None:
        self.rule = rule
        self.open_until = 0.0
        self.is_tried = False
        self.trips = 0
        self._failures: deque[float] = deque(maxlen=rule.failures if rule is not None else FAILURES_IN_A_ROW)

    def lets_pass(self, now: float) -> bool:
        return not self.open_until or (now >= self.open_until and not self.is_tried)

    def enter(self) -> bool:
        """A call goes to the backend, past `lets_pass`. Whether it is the trial, which must say how it ended."""
        self.is_tried = self.open_until > 0
        return self.is_tried

    def leave(self) -> None:
        """The trial ended without a verdict, for its caller has left: the next call is one."""
        self.is_tried = False

    def succeeded(self, *, is_trial: bool) -> None:
        if is_trial:
            self.open_until = 0.0
            self.is_tried = False
            self.trips = 0
            self._failures.clear()
        elif self.rule is None and self._failures and not self.open_until:
            self._failures.clear()

    def failed(self, now: float, *, is_trial: bool, seconds: float | None = None) -> None:
        """`seconds` is how long the backend wants to be left alone, where it says so."""
        if self.open_until and not is_trial:
            # It began before the circuit opened, and tells nothing new.
            return
        self._failures.append(now)
        if is_trial or self._are_too_many(now):
            self._open(now, seconds)

    def _are_too_many(self, now: float) -> bool:
        failures = self._failures
        if len(failures) < (failures.maxlen or 1):
            return False
        return self.rule is None or now - failures[0] <= self.rule.interval_seconds

    def _open(self, now: float, seconds: float | None) -> None:
        if seconds is None:
            longer = min(LEFT_OUT_SECONDS * 2**self.trips, LEFT_OUT_SECONDS_AT_MOST)
            seconds = self.rule.trip_seconds if self.rule is not None else longer
        self.open_until = now + seconds
        self.is_tried = False
        self.trips = min(self.trips + 1, 16)
        self._failures.clear()


class Circuits:
    """Those of this process, by backend. They outlive a change of the configuration that leaves their rule."""

    def __init__(self) -> None:
        self.by_backend: dict[int, Circuit] = {}

    def of(self, backend: int, rule: Breaker | None) -> Circuit:
        circuit = self.by_backend.get(backend)
        if circuit is None or (circuit.rule is not rule and circuit.rule != rule):
            circuit = self.by_backend[backend] = Circuit(rule)
        return circuit

    def keep_only(self, backends: Set[int]) -> None:
        for backend in self.by_backend.keys() - backends:
            del self.by_backend[backend]


def is_failure(rule: Breaker | None, status: int) -> bool:
    return rule is not None and any(first <= status <= last for first, last in rule.statuses)


def retry_after(head: bytes, unix_time: float) -> float | None:
    """Seconds that an answer's Retry-After asks for (RFC 9110 10.2.3), bounded; None where it says none."""
    found = _RETRY_AFTER.search(head)
    if found is None:
        return None
    value = found[1].strip()
    if value.isdigit():
        seconds = float(value[:12])
    else:
        try:
            date = parsedate_to_datetime(value.decode("ascii"))
        except (ValueError, OverflowError):
            return None
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - unix_time
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_AT_MOST)
