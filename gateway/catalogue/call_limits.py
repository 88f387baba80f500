"""Which limits count a call, compiled from its product's policy once per catalogue.

A product's own limits, those of an API in it and those of an operation apply side by side, each
counted on its own (Azure: rate-limit and quota with `<api>` and `<operation>` in them).

The answers to counted calls tell what is left, in RateLimit-Policy and RateLimit
(draft-ietf-httpapi-ratelimit-headers) and in the headers that the policy names. `t` is when some of
a rate is free again, and when a quota begins anew; one that never does has none. A kilobyte is
1,024 bytes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from gateway.configuration.snapshot import InnerQuota, InnerRateLimit, Product, Quota, RateLimit

if TYPE_CHECKING:
    from gateway.journal.record import InnerQuotaStand, InnerRatePeriod


KILOBYTE = 1024

RateStand: TypeAlias = tuple[int, float]
"""The calls that count now, and when the first of them was made."""

QuotaStand: TypeAlias = tuple[float, int, int]
"""When a quota's period began, and the calls and bytes in it.

A later stand is the greater one, unless the clock was set back.
"""

Scope: TypeAlias = tuple[int, int, int]
"""Product, API and operation. 0 stands for all APIs, and for all operations of the API."""


@dataclass(frozen=True, slots=True)
class RateRule:
    """At most `calls` in any span of `period` seconds. `prefix` begins the names of its shared counters."""

    scope: Scope
    calls: int
    period: int
    prefix: str


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """At most `calls` or `bytes`, where they are not None, in a period of so many seconds; 0 never ends.

    `prefix` begins the names of its shared counters.
    """

    scope: Scope
    calls: int | None
    bytes: int | None
    period: int
    prefix: str


@dataclass(frozen=True, slots=True, eq=False)
class CallLimits:
    """The limits of one kind of call: the product's first, then the API's, then the operation's.

    So the first rate and the first quota, if there are any, are the product's. `bandwidth` are those
    of the quotas that count bytes. `lines` are the field lines of the answer,
    to be filled with two numbers for each rate (calls left, seconds), then for each quota's calls
    and for each quota's bytes (what is left, and seconds where the quota has a period), and at last
    with the calls left of the first rate where `repeats_calls_left`. `fields` finds lines of a
    backend that these replace; the policy has chosen some of their names where `names_fields`.
    `rate_period` and `inner_rates` are for the record.
    """

    rates: tuple[RateRule, ...]
    quotas: tuple[QuotaRule, ...]
    bandwidth: tuple[QuotaRule, ...]
    lines: bytes
    repeats_calls_left: bool
    fields: re.Pattern[bytes]
    names_fields: bool
    retry_after: bytes
    rate_period: int | None
    inner_rates: "tuple[InnerRatePeriod, ...]"

    def inner_quotas(self, stands: Sequence[QuotaStand]) -> "tuple[InnerQuotaStand, ...]":
        inner = zip(self.quotas[1:], stands[1:], strict=True)
        return tuple((rule.scope[1], rule.scope[2], *stand) for rule, stand in inner)


class ProductLimits:
    """All limits of a product, by their scope. What they amount to for a kind of call is compiled at its first call."""

    def __init__(self, product: Product) -> None:
        self.rates = {rule.scope: rule for rule in _rate_rules(product.id, product.rate_limit)}
        self.quotas = {rule.scope: rule for rule in _quota_rules(product.id, product.quota)}
        self._product = product.id
        self._headers = product.rate_limit or RateLimit(0, 0)
        inner = [scope for scope in (*self.rates, *self.quotas) if scope[1]]
        self._apis = frozenset(api for _, api, _ in inner)
        self._operations = frozenset(operation for _, _, operation in inner if operation)
        self._whole = self._compiled((product.id, 0, 0))
        self._kinds: dict[Scope, CallLimits | None] = {}

    def of(self, api: int, operation: int) -> CallLimits | None:
        """Those of a call; None where nothing counts it."""
        if api not in self._apis:
            return self._whole
        kind = (self._product, api, operation if operation in self._operations else 0)
        if kind not in self._kinds:
            self._kinds[kind] = self._compiled(kind)
        return self._kinds[kind]

    def _compiled(self, scope: Scope) -> CallLimits | None:
        product, api, operation = scope
        around = dict.fromkeys(((product, 0, 0), (product, api, 0), (product, api, operation)))
        rates = tuple(self.rates[one] for one in around if one in self.rates)
        quotas = tuple(self.quotas[one] for one in around if one in self.quotas)
        if not rates and not quotas:
            return None
        headers = self._headers
        named = [name for name in (headers.remaining_calls_header_name, headers.total_calls_header_name) if name]
        return CallLimits(
            rates,
            quotas,
            tuple(rule for rule in quotas if rule.bytes is not None),
            _lines(rates, quotas, headers),
            bool(rates and headers.remaining_calls_header_name),
            _fields_named(*named),
            bool(named),
            headers.retry_after_header_name.encode(),
            rates[0].period if rates else None,
            tuple((rate.scope[1], rate.scope[2], rate.period) for rate in rates[1:]),
        )


def _rate_rules(product: int, limit: RateLimit | None) -> Iterator[RateRule]:
    if limit is not None:
        yield _rate_rule((product, 0, 0), limit)
        for inner in limit.inner:
            yield _rate_rule(_scope(product, inner), inner)


def _quota_rules(product: int, quota: Quota | None) -> Iterator[QuotaRule]:
    if quota is not None:
        yield _quota_rule((product, 0, 0), quota)
        for inner in quota.inner:
            yield _quota_rule(_scope(product, inner), inner)


def _scope(product: int, inner: InnerRateLimit | InnerQuota) -> Scope:
    return product, inner.api, inner.operation or 0


def _rate_rule(scope: Scope, limit: RateLimit | InnerRateLimit) -> RateRule:
    return RateRule(scope, limit.calls, limit.renewal_period_seconds, _prefix("rate", scope))


def _quota_rule(scope: Scope, quota: Quota | InnerQuota) -> QuotaRule:
    limit_bytes = quota.kilobytes * KILOBYTE if quota.kilobytes is not None else None
    return QuotaRule(scope, quota.calls, limit_bytes, quota.renewal_period_seconds, _prefix("quota", scope))


def _prefix(kind: str, scope: Scope) -> str:
    return f"gateway:{kind}:{scope[0]}:{scope[1]}:{scope[2]}:"


def _lines(rates: Iterable[RateRule], quotas: Iterable[QuotaRule], headers: RateLimit) -> bytes:
    """A template for the % operator."""
    policies, left = [], []
    for rate in rates:
        policies.append(f'"rate{_suffix(rate.scope)}";q={rate.calls};w={rate.period}')
        left.append(f'"rate{_suffix(rate.scope)}";r=%d;t=%d')
    for kind, unit in (("quota", ""), ("bandwidth", ';qu="content-bytes"')):
        for quota in quotas:
            allowed = quota.calls if kind == "quota" else quota.bytes
            if allowed is not None:
                name = f'"{kind}{_suffix(quota.scope)}"'
                policies.append(f"{name};q={allowed}{unit}" + (f";w={quota.period}" if quota.period else ""))
                left.append(f"{name};r=%d" + (";t=%d" if quota.period else ""))
    lines = [f"RateLimit-Policy: {', '.join(policies)}", f"RateLimit: {', '.join(left)}"]
    if headers.total_calls_header_name:
        lines.append(f"{_literal(headers.total_calls_header_name)}: {headers.calls}")
    if headers.remaining_calls_header_name:
        lines.append(f"{_literal(headers.remaining_calls_header_name)}: %d")
    return "".join(f"{line}\r\n" for line in lines).encode()


@lru_cache
def _fields_named(*names: str) -> re.Pattern[bytes]:
    """Field lines in a head that these fields and those of the draft replace."""
    all_names = b"|".join(re.escape(name.encode()) for name in ("RateLimit-Policy", "RateLimit", *names))
    return re.compile(rb"\r\n(?i:%b):[^\r]*" % all_names)


def _suffix(scope: Scope) -> str:
    return "-operation" if scope[2] else "-api" if scope[1] else ""


def _literal(text: str) -> str:
    """Text that stands for itself in a template; a header's name may hold a per cent sign."""
    return text.replace("%", "%%")
