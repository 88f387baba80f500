"""Who may call what: from a request's head to an admitted call or the answer that refuses it.

Pure: the same arguments give the same answer. The rules are Azure's ("Subscriptions in Azure API
Management"), and so are the texts, byte for byte. Where Azure's documents leave a choice:
- A header or query parameter with an empty value holds no key, so the next place is looked at.
- Several headers (or parameters) may repeat one key; keys that differ are an invalid key.
- The state of a product plays no part: unpublishing hides it from the portal, its keys go on.
- A call through an open product has no subscription, so no limit counts it.
- A product whose policy document is broken answers 500 until the document is mended, and so does
  an API whose backend is missing or cannot be used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.catalogue.call_limits import CallLimits, QuotaStand
from gateway.catalogue.cause import Cause, KeyRefused, NotRouted
from gateway.catalogue.routing import Catalogue, Malformed, NotFound, PublishedAPI, Route, find
from gateway.configuration.snapshot import Product, Subscription
from gateway.http.replies import error_body
from gateway.upstream.backend import Destination

MAX_KEY_BYTES = 256
JSON = (b"Content-Type", b"application/json")

MISSING_KEY_ANSWER = error_body(
    401,
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API.",
)
INVALID_KEY_ANSWER = error_body(
    401,
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.",
)
_NO_KEY = KeyRefused("missing")
_NOT_FOUND = error_body(404, "Resource not found")
_BROKEN_CONFIGURATION = error_body(500, "Internal server error")
_AUTHORITY = re.compile(rb"[A-Za-z0-9.\-_:\[\]]{1,255}")


@dataclass(slots=True)
class Admitted:
    """A call that goes on to its backend.

    `target` is the origin-form that the backend gets. `url` is path and query as called, without
    the key, for the record. `key_header` is the lower-case name of the header to strip. `key` is the
    digest of the key that opened it. `limits` count the call, and fill the fields behind `key`: where
    the quotas stand, in their order; field lines for the answer; and whether the shared counters
    could not be asked.
    """

    api: int
    operation: int
    product: int | None
    subscription: bytes | None
    user: int | None
    backend: Destination
    target: bytes
    url: bytes
    key_header: bytes
    limits: CallLimits | None
    key: bytes = b""
    stands: Sequence[QuotaStand] = ()
    limit_lines: bytes = b""
    limits_unverified: bool = False
    cause: None = None


@dataclass(slots=True)
class Refusal:
    """An answer by the gateway itself; `source` and `reason` are Azure's LastError words.

    `key` is the digest of the key that was sent, whether it opened or not.
    """

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    source: str
    reason: str
    url: bytes
    api: int | None = None
    operation: int | None = None
    product: int | None = None
    subscription: bytes | None = None
    user: int | None = None
    limit_lines: bytes = b""
    key: bytes = b""
    cause: Cause | None = None


def admit(
    catalogue: Catalogue,
    method: bytes,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    scheme: bytes,
    authority: bytes,
    now: float,
) -> Admitted | Refusal:
    """Find the operation and check the key.

    `target` is in origin-form. Names in `headers` are in lower case, in wire order. `authority` is
    the Host header; it only makes the realm, where the snapshot knows no URL of the gateway.
    """
    route = find(catalogue, method, target)
    if isinstance(route, Malformed):
        api = route.api.id if route.api is not None else None
        malformed = NotRouted("malformed", route.why)
        body = error_body(400, route.why)
        return Refusal(400, body, (JSON,), "configuration", "MalformedURL", route.url, api, cause=malformed)
    if isinstance(route, NotFound) or scheme not in route.api.schemes:
        api = route.api.id if route.api is not None else None
        lost = NotRouted(route.why if isinstance(route, NotFound) else "scheme")
        return Refusal(404, _NOT_FOUND, (JSON,), "configuration", "OperationNotFound", route.url, api, cause=lost)

    keys = _header_keys(headers, route.api.key_header) or [key for key in route.query_keys if key]
    if not keys:
        return _admit_without_key(catalogue, route, scheme, authority)
    digest = _digest(catalogue, keys)
    subscription = catalogue.keys.get(digest)
    if subscription is None or not _opens(catalogue, subscription, digest, route.api.id, now):
        cause = _why_closed(subscription, digest, keys, now)
        return _refuse_key(catalogue, route, subscription, digest, cause, scheme, authority)
    product = catalogue.products[subscription.product] if subscription.product is not None else None
    return _admitted(catalogue, route, product, subscription, digest)


def _header_keys(headers: list[tuple[bytes, bytes]], key_header: bytes) -> list[bytes]:
    return [value for name, value in headers if name == key_header and value]


def _digest(catalogue: Catalogue, keys: list[bytes]) -> bytes:
    """The digest of the key that was sent; empty for what can be none."""
    key = keys[0]
    if len(key) > MAX_KEY_BYTES or (len(keys) > 1 and any(other != key for other in keys)):
        return b""
    return catalogue.digest_of(key)


def _opens(catalogue: Catalogue, subscription: Subscription, digest: bytes, api: int, now: float) -> bool:
    """Whether a subscription is active, its key has not ended, and its scope contains the API."""
    if not subscription.is_active or (subscription.expires_at is not None and now >= subscription.expires_at):
        return False
    if subscription.old_keys and any(key == digest and now >= end for key, end in subscription.old_keys):
        return False
    if subscription.product is not None:
        return api in catalogue.product_apis.get(subscription.product, ())
    return subscription.api is None or subscription.api == api


def still_opens(catalogue: Catalogue, admitted: Admitted, now: float) -> bool:
    """Whether the key that let a call in would do so now. What needed no key stays open."""
    if admitted.subscription is None:
        return True
    subscription = catalogue.keys.get(admitted.key)
    return subscription is not None and _opens(catalogue, subscription, admitted.key, admitted.api, now)


def _why_closed(subscription: Subscription | None, digest: bytes, keys: list[bytes], now: float) -> KeyRefused:
    """Of a key that does not open the API."""
    if not digest:
        return KeyRefused("too-long" if len(keys[0]) > MAX_KEY_BYTES else "differing")
    if subscription is None:
        return KeyRefused("unknown")
    if not subscription.is_active:
        return KeyRefused("inactive", subscription.inactive_because)
    if subscription.expires_at is not None and now >= subscription.expires_at:
        return KeyRefused("expired", ended_at=subscription.expires_at)
    for key, end in subscription.old_keys:
        if key == digest and now >= end:
            return KeyRefused("replaced", ended_at=end)
    return KeyRefused("not-in-product" if subscription.product is not None else "other-api")


def _admit_without_key(catalogue: Catalogue, route: Route, scheme: bytes, authority: bytes) -> Admitted | Refusal:
    if route.api.open_product is not None:
        return _admitted(catalogue, route, catalogue.products.get(route.api.open_product), None)
    if not route.api.subscription_required:
        return _admitted(catalogue, route, None, None)
    headers = _challenge(catalogue, route.api, scheme, authority)
    refusal = _refusal(route, 401, MISSING_KEY_ANSWER, headers, "authorization", "SubscriptionKeyNotFound", None, None)
    refusal.cause = _NO_KEY
    return refusal


def _refuse_key(
    catalogue: Catalogue,
    route: Route,
    subscription: Subscription | None,
    digest: bytes,
    cause: KeyRefused,
    scheme: bytes,
    authority: bytes,
) -> Refusal:
    """One answer for every cause; the record alone knows it, and whose key it was."""
    headers = _challenge(catalogue, route.api, scheme, authority)
    product = subscription.product if subscription is not None else None
    reason = "SubscriptionKeyInvalid"
    refusal = _refusal(route, 401, INVALID_KEY_ANSWER, headers, "authorization", reason, product, subscription)
    refusal.key, refusal.cause = digest, cause
    return refusal


def _challenge(
    catalogue: Catalogue, api: PublishedAPI, scheme: bytes, authority: bytes
) -> tuple[tuple[bytes, bytes], ...]:
    base = catalogue.gateway_url
    if not base and _AUTHORITY.fullmatch(authority):
        base = scheme + b"://" + authority
    value = b'AzureApiManagementKey realm="%b/%b",name="%b",type="header"' % (base, api.path, api.key_header_name)
    headers = (JSON, (b"WWW-Authenticate", value))
    return (*headers, (b"Vary", b"Origin")) if api.cors is None else headers


def _admitted(
    catalogue: Catalogue, route: Route, product: Product | None, subscription: Subscription | None, key: bytes = b""
) -> Admitted | Refusal:
    api = route.api
    if product is not None and product.policy_is_broken:
        return _refuse_broken("PolicyBroken", route, product, subscription)
    if api.backend is None:
        return _refuse_broken("BackendMissing", route, product, subscription)
    limits = None
    if product is not None and subscription is not None:
        limits = catalogue.limits[product.id].of(api.id, route.operation)
    return Admitted(
        api.id,
        route.operation,
        product.id if product is not None else None,
        subscription.id if subscription is not None else None,
        subscription.owner if subscription is not None else None,
        api.backend,
        route.target,
        route.url,
        api.key_header,
        limits,
        key,
    )


def _refuse_broken(reason: str, route: Route, product: Product | None, subscription: Subscription | None) -> Refusal:
    number = product.id if product is not None else None
    return _refusal(route, 500, _BROKEN_CONFIGURATION, (JSON,), "configuration", reason, number, subscription)


def _refusal(
    route: Route,
    status: int,
    body: bytes,
    headers: tuple[tuple[bytes, bytes], ...],
    source: str,
    reason: str,
    product: int | None,
    subscription: Subscription | None,
) -> Refusal:
    return Refusal(
        status,
        body,
        headers,
        source,
        reason,
        route.url,
        route.api.id,
        route.operation,
        product,
        subscription.id if subscription is not None else None,
        subscription.owner if subscription is not None else None,
    )
