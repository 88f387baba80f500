"""A person's own calls of a period in numbers: in all, by subscription, by API and by operation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from django.db.models import Q

from analytics.periods import Span
from analytics.reports.totals import SHARES, Selection, Total, percentiles, totals

Kind: TypeAlias = tuple[UUID, int, int]
"""Subscription, API and operation; 0 stands for none."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Each breakdown begins with what was called most. Times are in microseconds."""

    all: Total
    by_subscription: Sequence[tuple[UUID, Total]]
    by_api: Sequence[tuple[int, Total]]
    by_operation: Sequence[tuple[tuple[int, int], Total]]
    latency: dict[float, float | None]


def selection_of(subscriptions: Iterable[UUID], span: Span) -> Selection:
    return Selection(span, Q(subscription_id__in=list(subscriptions)), frozenset({"subscription_id"}))


def summary_of(selection: Selection) -> Summary:
    kinds: dict[Kind, Total] = totals(selection, ["subscription_id", "api_id", "operation_id"])  # type: ignore[assignment]
    everything = Total()
    subscriptions: dict[UUID, Total] = {}
    apis: dict[int, Total] = {}
    operations: dict[tuple[int, int], Total] = {}
    for (subscription, api, operation), total in kinds.items():
        everything.add(total)
        subscriptions.setdefault(subscription, Total()).add(total)
        apis.setdefault(api, Total()).add(total)
        operations.setdefault((api, operation), Total()).add(total)
    none: dict[float, float | None] = dict.fromkeys(SHARES)
    return Summary(
        everything,
        sorted(subscriptions.items(), key=lambda one: -one[1].calls),
        sorted(apis.items(), key=lambda one: -one[1].calls),
        sorted(operations.items(), key=lambda one: -one[1].calls),
        percentiles(selection).get((), none),
    )
