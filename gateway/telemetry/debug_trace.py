"""What the gateway did with one call, step by step, for whoever holds a debug token.

The shape is Azure's ("Trace model" of its developer portal): sections of entries, each with its
source, the time since the call arrived, and data. Keys, tokens and credentials are in none.
"""

import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from gateway.catalogue.admission import Admitted
from gateway.catalogue.cause import KeyRefused, Why
from gateway.http.target import without
from gateway.telemetry.debug_token import DebugToken
from gateway.telemetry.explanation import explain_route

if TYPE_CHECKING:
    from gateway.calls.call import Call
    from gateway.catalogue.routing import Catalogue
    from gateway.configuration.snapshot import Subscription
    from gateway.http.forwarding import ResponseHead
    from gateway.http.head import RequestHead
    from gateway.upstream.backend import Backend

Section = Literal["inbound", "backend", "outbound"]

ENTRIES_LIMIT: Final = 100
TEXT_LIMIT: Final = 2000
_LIMIT_ITEM: Final = re.compile(r'"([a-z-]+)"((?:;[a-z]+=[^;,]+)*)')
_KEY_REFUSED: Final[Mapping[Why, str]] = {
    "missing": "No key was sent.",
    "unknown": "No subscription has this key.",
    "differing": "Several keys were sent that differ.",
    "too-long": "What was sent is too long for a key.",
    "inactive": "The subscription is not active.",
    "expired": "The subscription has expired.",
    "replaced": "The key was replaced by a new one, and has ended.",
    "not-in-product": "The product of the subscription does not contain this API.",
    "other-api": "The subscription is for another API.",
}
_LIMIT_FIELDS: Final = re.compile(rb"RateLimit-Policy: ([^\r]*)\r\nRateLimit: ([^\r]*)\r\n")


class DebugTrace:
    """`id` cannot be guessed; `token` is the one that asked for it."""

    __slots__ = ("_entries", "_has_limits", "_sections", "_started", "id", "token")

    def __init__(self, token: DebugToken, started: float) -> None:
        """`started` is when the call arrived, of the monotonic clock."""
        self.id = secrets.token_hex(16)
        self.token = token
        self._started = started
        self._entries = 0
        self._has_limits = False
        self._sections: dict[Section, list[dict[str, object]]] = {"inbound": [], "backend": [], "outbound": []}

    @property
    def line(self) -> bytes:
        """The field line of the call's answer."""
        return b"Apim-Trace-Id: %b\r\n" % self.id.encode()

    def to_json(self) -> bytes:
        return msgspec.json.encode({"traceEntries": self._sections})

    def add(self, section: Section, source: str, data: Mapping[str, object]) -> None:
        """Past a hundred entries no more are kept."""
        if self._entries < ENTRIES_LIMIT:
            self._entries += 1
            elapsed = _elapsed(time.monotonic() - self._started)
            self._sections[section].append({"source": source, "elapsed": elapsed, "data": _bounded(data)})

    # -- The steps of a call ---------------------------------------------------------------------

    def arrived(self, call: "Call", request: "RequestHead", scheme: bytes, catalogue: "Catalogue") -> None:
        """The request has been read, its operation looked for, and its key checked."""
        verdict = call.verdict
        url = verdict.url.decode("latin-1")
        self.add("inbound", "request", {"method": call.method.decode(), "url": url, "caller": call.caller_address})
        target = without(request.target, catalogue.key_parameters)
        self.add("inbound", "configuration", explain_route(catalogue, call.method, target, scheme))
        if verdict.operation is not None:
            self.add("inbound", "authorization", _key_check(call, catalogue))

    def connects(self, call: "Call", backend: "Backend") -> None:
        self._limits(call)
        self.add("backend", "forward-request", {"message": "A connection is opened.", "backend": _origin(backend)})

    def sent(self, call: "Call", backend: "Backend", address: str, *, is_reused: bool) -> None:
        """The request goes out on a connection."""
        self._limits(call)
        assert isinstance(call.verdict, Admitted)
        target = call.verdict.target
        if call.verdict.backend is not backend:
            target = backend.base_path + target if target.startswith(b"/") else backend.root_target + target
        if backend.added.parameters is not None:
            target = without(target, backend.added.parameters)
        data = {
            "method": call.method.decode(),
            "url": _origin(backend) + target.decode("latin-1"),
            "connection": "kept open" if is_reused else "new",
            "address": address,
        }
        self.add("backend", "forward-request", data | ({"attempt": call.retries + 1} if call.retries else {}))

    def answered(self, call: "Call", response: "ResponseHead", *, is_sent_again: bool = False) -> None:
        """The head of a backend's answer is here."""
        data: dict[str, object] = {"status": response.status}
        if call.backend_started is not None:
            data["seconds to the first byte"] = round(time.monotonic() - call.backend_started, 6)
        if is_sent_again:
            data["message"] = "The call is sent again."
        self.add("backend", "forward-request", data)

    def backend_failed(self, message: str, reason: str) -> None:
        self.add("backend", "forward-request", {"message": message, "reason": reason})

    def ended(self, call: "Call") -> None:
        """The answer is settled."""
        self._limits(call)
        if call.error_reason:
            self.add("outbound", call.error_source, {"reason": call.error_reason})
        data: dict[str, object] = {
            "status": call.response_code,
            "request bytes": call.request_bytes,
            "response bytes": call.response_bytes,
        }
        if call.backend_seconds is not None:
            data["seconds of the backend"] = round(call.backend_seconds, 6)
        self.add("outbound", "transfer-response", data)

    def _limits(self, call: "Call") -> None:
        """Where the limits of the call stand, as its answer says, once."""
        found = _LIMIT_FIELDS.match(call.verdict.limit_lines)
        if found is not None and not self._has_limits:
            self._has_limits = True
            for name, counter in _counters(found[1].decode(), found[2].decode()).items():
                self.add("inbound", "rate-limit" if name.startswith("rate") else "quota", {"counter": name} | counter)


def _key_check(call: "Call", catalogue: "Catalogue") -> dict[str, object]:
    verdict = call.verdict
    data: dict[str, object] = {}
    by_id = catalogue.subscriptions.by_id
    subscription = by_id.get(verdict.subscription) if verdict.subscription is not None else None
    if subscription is not None:
        data |= {"subscription": subscription.id.hex(), "scope": _scope(subscription, catalogue)}
    if isinstance(verdict.cause, KeyRefused):
        data["message"] = _KEY_REFUSED[verdict.cause.reason]
        if verdict.cause.state:
            data["state"] = verdict.cause.state
    elif verdict.subscription is None:
        data["message"] = "The API needs no key."
        if verdict.product is not None:
            product = catalogue.labels.products[verdict.product]
            data["message"] = f"No key was sent; the product {product} needs none."
    return data


def _scope(subscription: "Subscription", catalogue: "Catalogue") -> str:
    if subscription.product is not None:
        return f"product {catalogue.labels.products.get(subscription.product, subscription.product)}"
    if subscription.api is not None:
        return f"API {catalogue.labels.apis.get(subscription.api, subscription.api)}"
    return "all APIs"


def _counters(policies: str, left: str) -> dict[str, dict[str, object]]:
    """What the fields RateLimit-Policy and RateLimit say, by counter."""
    words = {"q": "allowed", "w": "seconds of the period", "r": "left", "t": "seconds until more"}
    counters: dict[str, dict[str, object]] = {}
    for text in (policies, left):
        for name, parameters in _LIMIT_ITEM.findall(text):
            pairs = (parameter.partition("=") for parameter in parameters.split(";")[1:])
            counters.setdefault(name, {}).update({words[key]: int(value) for key, _, value in pairs if key in words})
    return counters


def _origin(backend: "Backend") -> str:
    return f"{'https' if backend.is_tls else 'http'}://{backend.host_header.decode()}"


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        return value[:TEXT_LIMIT] + "..."
    if isinstance(value, Mapping):
        return {name: _bounded(inner) for name, inner in value.items()}
    return value


def _elapsed(seconds: float) -> str:
    """As .NET writes a time span: `00:00:00.0012345`."""
    ticks = int(seconds * 10_000_000)
    whole, ticks = divmod(ticks, 10_000_000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{ticks:07}"
