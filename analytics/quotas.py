"""How far the quotas of subscriptions are used, in the periods that run now.

A product's quota may have quotas of single APIs and operations in it, which count side by side.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db.models import (
    BigIntegerField,
    Case,
    F,
    FilteredRelation,
    FloatField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, Greatest

from analytics.usage import limits_of
from apis.models import API, Operation
from gateway.catalogue.call_limits import KILOBYTE, ProductLimits, QuotaRule, Scope
from gateway.configuration.snapshot import Product as PublishedProduct
from policies.models import ProductPolicy
from policies.product_names import ProductNames
from subscriptions.models import Subscription

# In percent.
NEARLY = 80.0
ALL_USED = 100.0
_AT_ONCE = 1000
# Of both queries, in the order of `Use`.
_COLUMNS = (
    "percent", "pk", "product_id", "part_api", "part_operation", "used__period_start", "used__calls", "used__bytes",
)  # fmt: skip

Rules: TypeAlias = Mapping[Scope, QuotaRule]


class Use(NamedTuple):
    """A quota of a subscription, and what the database has counted of it, maybe in a period that is over.

    API and operation are 0 for the quota of the whole product, the operation for that of an API. `percent` is
    that of calls or of bytes in the period that runs now, whichever is more, and may be above 100. The rest is
    None where nothing was ever used.
    """

    percent: float
    subscription: UUID
    product: int
    api: int
    operation: int
    period_start: datetime | None
    calls: int | None
    bytes: int | None

    @property
    def scope(self) -> Scope:
        return self.product, self.api, self.operation


@dataclass(frozen=True, slots=True)
class Uses:
    """Quotas of whole products, used or not, and those inside of them of which something is used."""

    whole: QuerySet[Any, tuple[Any, ...]]
    inner: QuerySet[Any, tuple[Any, ...]] | None

    def count(self) -> int:
        return self.whole.count() + (self.inner.count() if self.inner is not None else 0)

    def __getitem__(self, part: slice) -> list[Use]:
        """The fullest come first."""
        # PostgreSQL sorts a table by itself with all its workers, but not a union.
        rows = self.whole.union(self.inner, all=True) if self.inner is not None else self.whole
        return [Use(*row) for row in rows.order_by("-percent", "pk", "part_api", "part_operation")[part]]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the limits of a quota, in "calls" or "kilobytes"; these are rounded down, as far as they are used."""

    used: int
    limit: int
    unit: str

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)

    @property
    def percent(self) -> int:
        return 100 * self.used // self.limit


@dataclass(frozen=True, slots=True)
class Stand:
    """`api` and `operation` are display names, empty where the quota is not of such a one.

    `refills_at` is None where the quota is never renewed, or no period runs: the next call begins one.
    """

    use: Use
    subscription: Subscription
    api: str
    operation: str
    calls: Part | None
    kilobytes: Part | None
    renewal_period_seconds: int
    refills_at: datetime | None

    @property
    def of(self) -> str:
        """The names of its product, API and operation, as far as it is of these."""
        return ": ".join(name for name in (self.subscription.scope_name, self.api, self.operation) if name)

    @property
    def fullest(self) -> Part:
        return max((part for part in (self.calls, self.kilobytes) if part is not None), key=lambda part: part.percent)

    @property
    def is_used_up(self) -> bool:
        return self.use.percent >= ALL_USED

    @property
    def is_nearly_used(self) -> bool:
        return NEARLY <= self.use.percent < ALL_USED


def rules() -> dict[Scope, QuotaRule]:
    """All quotas that products have, by what they are about."""
    limits = limits_of(set(ProductPolicy.objects.values_list("product_id", flat=True)), ProductNames)
    return {
        scope: rule
        for product, values in limits.items()
        for scope, rule in ProductLimits(PublishedProduct(product, (), None, values.quota)).quotas.items()
    }


def uses(found: Rules, subscriptions: QuerySet[Subscription], now: datetime, *, least: float = 0.0) -> Uses:
    """How far those of these subscriptions that are active have used these quotas, from so many percent on."""
    live = subscriptions.filter(
        state=Subscription.State.ACTIVE, product__in={product for product, api, _ in found if not api}
    )
    return Uses(_of_products(found, live, now, least), _of_parts(found, live, now, least))


def _of_products(found: Rules, live: QuerySet[Subscription], now: datetime, least: float) -> QuerySet[Any, Any]:
    """Also of subscriptions that have never called."""
    rules = [rule for rule in found.values() if not rule.scope[1]]
    rows = _counted(live, "quota_use", rules, now, Value(0.0))
    rows = rows.annotate(part_api=Value(0, BigIntegerField()), part_operation=Value(0, BigIntegerField()))
    if least:
        rows = rows.filter(used__isnull=False, percent__gte=least)
    listed: QuerySet[Any, Any] = rows.values_list(*_COLUMNS)
    return listed


def _of_parts(found: Rules, live: QuerySet[Subscription], now: datetime, least: float) -> QuerySet[Any, Any] | None:
    """None where no product has such quotas."""
    rules = [rule for rule in found.values() if rule.scope[1]]
    if not rules:
        return None
    # What is not limited any more, or in a period that is over, has no percentage.
    rows = _counted(live, "inner_quota_uses", rules, now, None)
    rows = rows.annotate(part_api=F("used__api_id"), part_operation=F("used__operation_id"))
    # By the annotation, as a filter by the relation would join it once more.
    listed: QuerySet[Any, Any] = rows.filter(part_api__isnull=False, percent__gte=least).values_list(*_COLUMNS)
    return listed


def _counted(
    live: QuerySet[Subscription], relation: str, rules: Iterable[QuotaRule], now: datetime, otherwise: Value | None
) -> QuerySet[Any]:
    """Subscriptions with what is counted in `relation`, as `used`, and the percentage of the rule that it is about."""
    # One that has another product since begins anew.
    used = FilteredRelation(relation, condition=Q(**{f"{relation}__product_id": F("product_id")}))
    percent = Case(*(_when(rule, now) for rule in rules), default=otherwise, output_field=FloatField())
    annotated: QuerySet[Any] = live.order_by().alias(used=used).annotate(percent=percent)
    return annotated


def _when(rule: QuotaRule, now: datetime) -> When:
    product, api, operation = rule.scope
    conditions: dict[str, Any] = {"used__product_id": product}
    if api:
        conditions |= {"used__api_id": api, "used__operation_id": operation}
    if rule.period:
        conditions["used__period_start__gt"] = now - timedelta(seconds=rule.period)
    shares = [
        # Cast, as PostgreSQL would take decimal numbers, which are slower.
        Cast(f"used__{column}", FloatField()) * Value(ALL_USED) / Value(float(limit))
        for column, limit in (("calls", rule.calls), ("bytes", rule.bytes))
        if limit is not None
    ]
    return When(**conditions, then=Greatest(*shares) if len(shares) > 1 else shares[0])


def stands(used: Iterable[Use], found: Rules, now: datetime) -> Iterator[Stand]:
    """With subscriptions and names, in the same order. Three queries at most for each thousand."""
    rest = iter(used)
    while some := list(islice(rest, _AT_ONCE)):
        subscriptions = Subscription.objects.select_related("owner", "team", "product").in_bulk(
            [use.subscription for use in some]
        )
        names = _Names.of(some)
        for use in some:
            # Somebody may have deleted it meanwhile.
            if use.subscription in subscriptions:
                yield _stand(subscriptions[use.subscription], use, found[use.scope], names, now)


@dataclass(frozen=True, slots=True)
class _Names:
    """Display names of APIs and operations, by their ids."""

    apis: Mapping[int, str]
    operations: Mapping[int, str]

    @classmethod
    def of(cls, used: Iterable[Use]) -> "_Names":
        apis = API.objects.filter(pk__in={use.api for use in used if use.api})
        operations = Operation.objects.filter(pk__in={use.operation for use in used if use.operation})
        return cls(
            dict(apis.order_by().values_list("pk", "display_name")),
            dict(operations.order_by().values_list("pk", "display_name")),
        )


def _stand(subscription: Subscription, use: Use, rule: QuotaRule, names: _Names, now: datetime) -> Stand:
    end = use.period_start + timedelta(seconds=rule.period) if use.period_start is not None and rule.period else None
    is_over = end is not None and end <= now
    calls, size = (0, 0) if is_over else (use.calls or 0, use.bytes or 0)
    return Stand(
        use=use,
        subscription=subscription,
        api=names.apis.get(use.api, ""),
        operation=names.operations.get(use.operation, ""),
        calls=Part(calls, rule.calls, "calls") if rule.calls is not None else None,
        kilobytes=Part(size // KILOBYTE, rule.bytes // KILOBYTE, "kilobytes") if rule.bytes is not None else None,
        renewal_period_seconds=rule.period,
        refills_at=None if is_over else end,
    )
