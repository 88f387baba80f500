"""The attempts to have one call answered, where its backend is a pool or has rules for failures.

- An attempt that could not even connect goes on to a member of the pool that was not tried yet,
  whatever the method, since nothing was sent.
- Otherwise a call is sent again where a retry rule says so, its method is idempotent (RFC 9110
  9.2.2), and its body has been sent whole and is small enough to be kept.
- All attempts together take no longer than the time-out; the last one's outcome is the call's.
"""

import asyncio
import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Final

from gateway.http import replies
from gateway.upstream.circuit import is_failure, retry_after

if TYPE_CHECKING:
    from gateway.calls.call import Call
    from gateway.calls.caller import Caller
    from gateway.configuration.snapshot import Retry
    from gateway.http.forwarding import ResponseHead
    from gateway.upstream.backend import Backend, Guarded
    from gateway.upstream.circuit import Circuit

IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
KEPT_BYTES: Final = 64 * 2**10


class Attempts:
    """`head_for` makes the request's head for a backend. `_kept` is the body, framed, as far as it was sent."""

    __slots__ = (
        "_call",
        "_caller",
        "_circuit",
        "_give_up_at",
        "_guarded",
        "_head_bytes",
        "_head_for",
        "_is_trial",
        "_is_whole",
        "_kept",
        "_left",
        "_may_repeat",
        "_tried",
    )

    def __init__(
        self, caller: "Caller", call: "Call", guarded: "Guarded", head_for: "Callable[[Backend], bytes]"
    ) -> None:
        retry = guarded.retry
        server = caller.server
        self._caller = caller
        self._call = call
        self._guarded = guarded
        self._head_for = head_for
        self._give_up_at = server.time + (guarded.seconds or server.limits.backend_seconds)
        self._left = retry.count if retry is not None else 0
        self._may_repeat = self._left > 0 and caller.request.method in IDEMPOTENT
        self._tried: set[int] = set()
        self._kept: bytes | None = None
        self._head_bytes = 0
        self._is_whole = False
        self._circuit: Circuit | None = None
        self._is_trial = False

    def begin(self) -> None:
        backend = self._choose()
        if backend is None:
            self._refuse()
        else:
            self._caller.outgoing.forward(self._enter(backend), backend, self._call)

    def seconds_left(self) -> float:
        return max(self._give_up_at - self._caller.server.time, 0.0)

    def keep(self, data: bytes, *, is_first: bool, is_whole: bool) -> None:
        """A part of the request is sent; the first of an attempt begins with the head."""
        if not self._may_repeat:
            return
        if is_first:
            self._kept = data[self._head_bytes :]
        elif self._kept is not None:
            self._kept += data
        if self._kept is not None and len(self._kept) > KEPT_BYTES:
            self._kept = None
        self._is_whole = is_whole

    # -- How an attempt ended; true where there will be another one -------------------------------

    def answered(self, response: "ResponseHead") -> bool:
        """The backend's answer begins."""
        circuit, retry = self._circuit, self._guarded.retry
        if circuit is not None:
            rule = circuit.rule
            if rule is not None and is_failure(rule, response.status):
                self._fails(retry_after(response.start, time.time()) if rule.accept_retry_after else None)
                # What becomes of its body is no second failure.
                self._circuit = None
            else:
                circuit.succeeded(is_trial=self._is_trial)
                self._is_trial = False
        return (
            retry is not None and response.status in retry.statuses and self._can_be_repeated() and self._retries(retry)
        )

    def failed(self, *, answer_started: bool) -> bool:
        """The backend gave no answer, or none that is whole."""
        self._errs()
        retry = self._guarded.retry
        return retry is not None and not answer_started and self._can_be_repeated() and self._retries(retry)

    def not_connected(self, *, is_full: bool) -> bool:
        """No connection came about, so that nothing was sent.

        `is_full`: as many as there may be are in use, which says nothing of the backend's health.
        """
        if is_full:
            self.end()
        else:
            self._errs()
        backend = self._choose() if self.seconds_left() > 0 else None
        if backend is not None:
            self._send_again(backend)
            return True
        retry = self._guarded.retry
        return retry is not None and self._retries(retry)

    def end(self) -> None:
        """The call has its answer, or needs none any more."""
        if self._is_trial and self._circuit is not None:
            self._circuit.leave()
            self._is_trial = False

    def _errs(self) -> None:
        circuit = self._circuit
        if circuit is not None and (circuit.rule is None or circuit.rule.counts_errors):
            self._fails(None)
        self.end()

    def _fails(self, seconds: float | None) -> None:
        assert self._circuit is not None
        self._circuit.failed(self._caller.server.time, is_trial=self._is_trial, seconds=seconds)
        self._is_trial = False

    # -- The next one ----------------------------------------------------------------------------

    def _can_be_repeated(self) -> bool:
        return self._may_repeat and self._is_whole and self._kept is not None

    def _retries(self, retry: "Retry") -> bool:
        server, seconds = self._caller.server, retry.interval_seconds
        if not self._left or seconds >= self.seconds_left():
            return False
        if not server.balancer.will_let_pass(self._guarded, server.time + seconds):
            return False
        self._left -= 1
        asyncio.get_running_loop().call_later(seconds, self._retry)
        return True

    def _retry(self) -> None:
        if self._caller.call is not self._call:
            return
        backend = self._choose()
        if backend is None:
            # All have been tried: once more around.
            self._tried.clear()
            backend = self._choose()
        if backend is None:
            self._refuse()
        else:
            self._send_again(backend)

    def _choose(self) -> "Backend | None":
        server = self._caller.server
        return server.balancer.choose(self._guarded, self._tried, server.time)

    def _enter(self, backend: "Backend") -> bytes:
        """The head for the next attempt, which now counts as begun."""
        self._tried.add(backend.id)
        self._circuit = self._caller.server.balancer.circuit_of(self._guarded, backend)
        self._is_trial = self._circuit is not None and self._circuit.enter()
        head = self._head_for(backend)
        self._head_bytes = len(head)
        return head

    def _send_again(self, backend: "Backend") -> None:
        self._caller.outgoing.forward_again(self._enter(backend), self._kept or b"", backend, self._call)

    def _refuse(self) -> None:
        server = self._caller.server
        seconds = ceil(server.balancer.seconds_to_wait(self._guarded, server.time))
        self._caller.fail(
            503,
            "The backend service is not available at the moment.",
            "forward-request",
            "BackendCircuitOpen",
            (*replies.JSON, (b"Retry-After", b"%d" % max(seconds, 1))),
        )
