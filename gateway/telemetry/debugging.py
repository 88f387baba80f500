"""Callers who debug: their tokens, their traces, and how they fetch them.

A token that is of no use any more does not end the call: it goes on untraced, and its answer says
so in Apim-Debug-Authorization-Expired, as Azure's does. The older Ocp-Apim-Trace is ignored.
"""

from typing import TYPE_CHECKING, Final

from gateway.telemetry.debug_token import DebugToken, read_token
from gateway.telemetry.debug_trace import DebugTrace
from gateway.telemetry.trace_store import TraceStore

if TYPE_CHECKING:
    from gateway.calls.call import Call
    from gateway.catalogue.admission import Admitted, Refusal
    from gateway.catalogue.routing import Catalogue
    from gateway.http.head import RequestHead

EXPIRED_LINE: Final = b"Apim-Debug-Authorization-Expired: true\r\n"


class Debugging:
    def __init__(self, secret: bytes, traces: TraceStore) -> None:
        """`secret` is the tokens'."""
        self.traces = traces
        self._secret = secret

    def begin(self, token: bytes, call: "Call", request: "RequestHead", scheme: bytes, catalogue: "Catalogue") -> None:
        """Trace the call, if the token that came with it allows that."""
        read = read_token(self._secret, token, call.at)
        if read is None or not _allows(read, call.verdict, catalogue):
            call.debug_line = EXPIRED_LINE
        elif self.traces.has_room():
            call.debug = DebugTrace(read, call.started)
            call.debug_line = call.debug.line
            call.debug.arrived(call, request, scheme, catalogue)

    def end(self, call: "Call", trace: DebugTrace) -> None:
        trace.ended(call)
        self.traces.save(trace)

    def fetch(self, token: bytes | None, trace_id: str, catalogue: "Catalogue", now: float) -> bytes | None:
        """A trace as JSON, empty where it is not there. None where the token is of no use."""
        read = read_token(self._secret, token or b"", now)
        if read is None or not _is_allowed(read, catalogue):
            return None
        return self.traces.find(read, trace_id) or b""


def _is_allowed(token: DebugToken, catalogue: "Catalogue") -> bool:
    if token.subscription is None:
        return True
    subscription = catalogue.subscriptions.by_id.get(token.subscription)
    return subscription is not None and subscription.allow_tracing


def _allows(token: DebugToken, verdict: "Admitted | Refusal", catalogue: "Catalogue") -> bool:
    """A subscription's token does not open the calls of another one."""
    is_own = verdict.subscription is None or token.subscription in (None, verdict.subscription)
    return is_own and _is_allowed(token, catalogue)
