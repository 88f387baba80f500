"""Rows of a table with their names and where they lead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.utils.safestring import SafeString

from portal.administration.usage.dimensions import Dimension, Key
from portal.administration.usage.page import Asked
from portal.administration.usage.tables import Row


def linked(
    asked: Asked, dimension: Dimension, found: Sequence[Row], sparklines: Mapping[Key, SafeString] | None = None
) -> list[Row]:
    """One query for the names."""
    names = dimension.names([row.key for row in found])
    return [
        replace(
            row,
            name=names[row.key],
            link=asked.narrowed(dimension, row.key),
            calls_link=asked.calls_of(dimension, row.key),
            sparkline=(sparklines or {}).get(row.key),
        )
        for row in found
    ]
