"""One call on its way through the gateway: what is known of it so far, and its record at the end."""

import time
from typing import TYPE_CHECKING

from gateway.catalogue.admission import Admitted, Refusal
from gateway.http.masking import Pairs
from gateway.http.request_id import new_request_id
from gateway.http.trace_context import Trace
from gateway.journal.record import RECORDED_KEY_BYTES, CallRecord, InnerQuotaStand, InnerRatePeriod

if TYPE_CHECKING:
    from gateway.telemetry.debug_trace import DebugTrace


class Call:
    """Counts and times of one call. Request bytes are head and body without its coding, response bytes as sent.

    `debug` is there where the caller may see what becomes of the call; `debug_line` is for the answer.
    """

    __slots__ = (
        "at",
        "backend_code",
        "backend_seconds",
        "backend_started",
        "caller_address",
        "cors_lines",
        "debug",
        "debug_line",
        "deprecation_lines",
        "error_reason",
        "error_source",
        "method",
        "request_bytes",
        "request_id",
        "response_bytes",
        "response_code",
        "retries",
        "started",
        "trace",
        "verdict",
    )

    def __init__(
        self, at: float, method: bytes, caller_address: str, head_bytes: int, verdict: Admitted | Refusal
    ) -> None:
        self.at = at
        self.started = time.monotonic()
        self.request_id = new_request_id()
        self.method = method
        self.caller_address = caller_address
        self.request_bytes = head_bytes
        self.verdict = verdict
        self.cors_lines = b""
        self.deprecation_lines = b""
        self.debug: DebugTrace | None = None
        self.debug_line = b""
        self.response_bytes = 0
        self.response_code = 0
        self.retries = 0
        self.backend_code: int | None = None
        self.backend_started: float | None = None
        self.backend_seconds: float | None = None
        self.error_source = ""
        self.error_reason = ""
        self.trace: Trace | None = None

    def failed(self, source: str, reason: str) -> None:
        """The first cause counts; what follows from it does not."""
        if not self.error_reason:
            self.error_source = source
            self.error_reason = reason

    def backend_ended(self) -> None:
        if self.backend_started is not None:
            self.backend_seconds = time.monotonic() - self.backend_started

    def record(self, region: str, request_headers: Pairs = ()) -> CallRecord:
        """`region` is the gateway's; the headers are what may be kept of the request's."""
        verdict = self.verdict
        period_start = calls = rate_period = None
        used, unverified = 0, False
        inner_quotas: tuple[InnerQuotaStand, ...] = ()
        inner_rates: tuple[InnerRatePeriod, ...] = ()
        if verdict.limit_lines and isinstance(verdict, Admitted) and verdict.limits is not None:
            limits, stands = verdict.limits, verdict.stands
            rate_period, inner_rates, unverified = limits.rate_period, limits.inner_rates, verdict.limits_unverified
            if stands:
                period_start, calls, used = stands[0]
                if len(stands) > 1:
                    inner_quotas = limits.inner_quotas(stands)
        return CallRecord(
            self.at,
            self.request_id,
            verdict.api,
            verdict.operation,
            verdict.product,
            verdict.subscription,
            verdict.user,
            self.method,
            verdict.url,
            self.caller_address,
            self.response_code,
            self.backend_code,
            time.monotonic() - self.started,
            self.backend_seconds,
            self.request_bytes,
            self.response_bytes,
            self.error_source,
            self.error_reason,
            period_start,
            calls,
            rate_period,
            used,
            inner_quotas,
            inner_rates,
            unverified,
            verdict.key[:RECORDED_KEY_BYTES],
            verdict.cause,
            region,
            request_headers,
        )
