"""Counts that cost the same however many rows there are: past a thousand nobody needs the number."""

from typing import Any

from django.db.models import QuerySet
from django.utils.formats import number_format

MOST = 1000


def bounded_count(rows: QuerySet[Any]) -> int:
    """At most MOST, which stands for any number from there."""
    return rows.order_by()[:MOST].count()


def in_words(count: int) -> str:
    """Of a bounded count."""
    return f"{number_format(MOST - 1, force_grouping=True)}+" if count >= MOST else str(count)
