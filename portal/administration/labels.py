"""Columns that show a word in a colour."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.utils.functional import Promise
from unfold.decorators import display

Column = TypeVar("Column", bound=Callable[..., Any])


def label_column(
    description: str | Promise, *, colours: Mapping[Any, str] | None = None, ordering: str | None = None
) -> Callable[[Column], Column]:
    """For a method that returns the word, or what its colour depends on and the word."""

    def decorate(column: Column) -> Column:
        # The theme shows the value in place of its word where it finds no colour.
        label = defaultdict(lambda: None, colours) if colours else True
        shown: Column = display(description=description, ordering=ordering, label=label)(column)
        return shown

    return decorate
