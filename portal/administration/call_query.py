"""Which calls a page of the administration is about, as its address says it, and the addresses that say it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analytics import call_search, picker
from analytics.call_search import Search
from analytics.models import Call
from analytics.picker import Choice, Period
from portal.administration.usage.dimensions import Dimension, Key, Name, allowed, refused

CLASS_LABELS: Mapping[str, str | Promise] = {
    "success": _("Successful"),
    "blocked": _("Blocked"),
    "failed": _("Failed"),
    "other": _("Other"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A condition that calls must meet, and the query string without it."""

    label: str | Promise
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class CallQuery:
    """A period and a search, with the dimensions whose rows the viewer may see."""

    choice: Choice
    search: Search
    dimensions: Mapping[str, Dimension]

    @property
    def values(self) -> Mapping[str, str]:
        return self.search.values

    @property
    def period(self) -> dict[str, str]:
        return {name: value for name, value in self.choice.query.items() if name != "compare"}

    def string(self, **changes: Any) -> str:
        """The query string with these values in place of its own; None takes one away."""
        values = {**self.values, **self.period, **changes}
        return urlencode({name: value for name, value in values.items() if value is not None})

    @property
    def conditions(self) -> str:
        """The query string without the period."""
        return urlencode(self.values)

    @property
    def bare(self) -> str:
        """The query string of the period alone."""
        return urlencode(self.period)

    @property
    def all(self) -> Iterable[tuple[str, str]]:
        return {**self.values, **self.period}.items()

    def seen(self, *names: str) -> list[Dimension]:
        """Those of these dimensions that the viewer may look at."""
        return [self.dimensions[name] for name in names if name in self.dimensions]

    def chips(self) -> list[Chip]:
        return [
            Chip(call_search.LABELS[name], self._in_words(name, value), self.string(**{name: None}))
            for name, value in self.values.items()
        ]

    def _in_words(self, name: str, value: str) -> str:
        if name in self.dimensions:
            key = _key_of(name, value)
            return self.dimensions[name].names([key])[key].text
        if name == "class":
            return str(CLASS_LABELS[value])
        if name == "code" and value == call_search.NO_ANSWER:
            return gettext("No answer")
        return call_search.shortened(value)


def _key_of(name: str, value: str) -> Key:
    if name == "country":
        return "" if value == call_search.NONE else value.upper()
    return UUID(value) if name == "subscription" else int(value)


@dataclass(frozen=True, slots=True)
class Row:
    """A call with what it concerns; `names` has those that the viewer may see."""

    call: Call
    names: Mapping[str, Name]

    @property
    def tone(self) -> str:
        code = self.call.response_code
        return "good" if 100 <= code < 400 else "warn" if code < 500 else "bad"


def query_of(request: HttpRequest, parameters: Mapping[str, str]) -> CallQuery:
    """`q` is a request id or how a URL begins. Nobody chooses calls by what he may not look at."""
    seen = allowed(request)
    hidden = refused(parameters, seen)
    parameters = {name: text for name, text in parameters.items() if name not in hidden}
    sought = parameters.get("q", "")
    by = {"request_id" if call_search.is_guid(sought) else "url": sought} if sought else {}
    choice = picker.choose(parameters, timezone.now(), timezone.get_current_timezone(), default=Period.DAY)
    search = call_search.read({**parameters, **by}, choice.span)
    search = replace(search, problems=(*hidden.values(), *search.problems))
    return CallQuery(choice, search, {name: one for name, one in seen.items() if one.field})


def rows_of(calls: Sequence[Call], dimensions: Iterable[Dimension]) -> list[Row]:
    """Asks the database once for each dimension."""
    named = {one.name: (one, one.names(_keys(calls, one))) for one in dimensions}
    return [
        Row(call, {name: names[key] for name, (one, names) in named.items() if (key := _key(call, one))})
        for call in calls
    ]


def _keys(calls: Iterable[Call], dimension: Dimension) -> Iterator[Key]:
    return (key for call in calls if (key := _key(call, dimension)))


def _key(call: Call, dimension: Dimension) -> Key | None:
    key: Key | None = getattr(call, dimension.field, None)
    return key or None
