"""Which member of a pool gets the next call.

Usable members of the lowest priority share the calls by their weight, smoothly: of two with 5 and 1
the second comes between the calls of the first, not after five in a row (as in nginx).
"""

from collections.abc import Collection, Set

from gateway.upstream.backend import Backend, Guarded, Member
from gateway.upstream.circuit import Circuit, Circuits


class Balancer:
    """Whose turn it is, by pool and member; of this process."""

    def __init__(self, circuits: Circuits) -> None:
        self._circuits = circuits
        self._turns: dict[int, dict[int, int]] = {}

    def choose(self, guarded: Guarded, tried: Collection[int], now: float) -> Backend | None:
        """The backend for a call that has `tried` these in vain; None where no circuit lets it pass.

        Where all that are left are in bad health, one is called nonetheless: that is experience, not
        a rule, and may be outdated.
        """
        left = [[member for member in group if member.backend.id not in tried] for group in guarded.groups]
        for group in left:
            if usable := [member for member in group if self._lets_pass(guarded, member.backend, now)]:
                return self._next(guarded.id, usable)
        for group in left:
            if in_bad_health := [member for member in group if member.backend.breaker is None]:
                return self._next(guarded.id, in_bad_health)
        return None

    def circuit_of(self, guarded: Guarded, backend: Backend) -> Circuit | None:
        if backend.breaker is None and not guarded.is_pool:
            return None
        return self._circuits.of(backend.id, backend.breaker)

    def will_let_pass(self, guarded: Guarded, now: float) -> bool:
        """Whether `choose` would find a backend then, as far as this is known now."""
        return any(
            member.backend.breaker is None or self._lets_pass(guarded, member.backend, now)
            for group in guarded.groups
            for member in group
        )

    def seconds_to_wait(self, guarded: Guarded, now: float) -> float:
        """Until the first circuit lets a call pass, where none does now; to the millisecond, as the clock."""
        circuits = [self.circuit_of(guarded, member.backend) for group in guarded.groups for member in group]
        until = min((circuit.open_until for circuit in circuits if circuit is not None), default=now)
        # The difference of two times can be a little more than the seconds that were added to the one.
        return max(round(until - now, 3), 0.0)

    def keep_only(self, pools: Set[int]) -> None:
        for pool in self._turns.keys() - pools:
            del self._turns[pool]

    def _lets_pass(self, guarded: Guarded, backend: Backend, now: float) -> bool:
        circuit = self.circuit_of(guarded, backend)
        return circuit is None or circuit.lets_pass(now)

    def _next(self, pool: int, usable: list[Member]) -> Backend:
        if len(usable) == 1:
            return usable[0].backend
        turns = self._turns.setdefault(pool, {})
        for member in usable:
            turns[member.backend.id] = turns.get(member.backend.id, 0) + member.weight
        chosen = max(usable, key=lambda member: turns[member.backend.id]).backend
        turns[chosen.id] -= sum(member.weight for member in usable)
        return chosen
