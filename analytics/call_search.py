"""Calls that a query string asks for, the latest first, found among very many.

What one subscription or one API called is found by an index, and so are errors and a request id. All else is looked
for from the latest call back, in steps of so many calls that a question to the database stays short, until there are
enough of them or the time is up: then a page says how far back it has looked, and goes on from there.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Self
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analytics.call_classes import BLOCKED, FAILED, OTHER, SUCCESS, call_class
from analytics.models import Call
from analytics.periods import Span
from analytics.records import MAX_METHOD_CHARACTERS, MAX_URL_CHARACTERS
from apis.models import Operation

LOOKED_AT = 30_000
NONE = "none"
NO_ANSWER = "0"
CLASSES = {"success": SUCCESS, "blocked": BLOCKED, "failed": FAILED, "other": OTHER}
MAX_SHOWN_CHARACTERS = 60
_MAX_NUMBER = 2**63 - 1
_MAX_CODE = 999
_MAX_MILLISECONDS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)


class UnreadableError(ValueError):
    """Its text is for the reader."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ends: at a call, before which the next one begins; or, without its number, at a moment."""

    at: datetime
    id: int = 0

    @classmethod
    def of(cls, text: str) -> Self | None:
        """None for what is no cursor's text."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            return None
        try:
            return cls(_EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
        except OverflowError:
            return None

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}.{self.id}"

    def after(self, calls: QuerySet[Call]) -> QuerySet[Call]:
        return calls.filter(at__lte=self.at).exclude(at=self.at, id__gte=self.id)


@dataclass(frozen=True, slots=True)
class Search:
    """`values` is what is asked for by the parameters that could be read, `problems` what is wrong with the others.

    `indexed` is what an index answers; `rest` are the other conditions.
    """

    span: Span
    values: Mapping[str, str]
    indexed: Q
    rest: Q
    problems: tuple[str, ...]

    @property
    def calls(self) -> QuerySet[Call]:
        """All of them, in no order."""
        return self._candidates().filter(self.rest)

    def _candidates(self) -> QuerySet[Call]:
        if "request_id" in self.values:
            return Call.objects.filter(self.indexed)
        return Call.objects.filter(self.indexed, at__gte=self.span.start, at__lt=self.span.end)

    def latest(self, *, count: int, patience: float, before: Cursor | None = None) -> "Found":
        """So many calls before the cursor, or fewer where there are no more or the time, in seconds, is up."""
        left = _latest_first(self._candidates())
        if before is not None:
            left = before.after(left)
        if not self.rest:
            return Found.cut(list(left[: count + 1]), count)
        calls: list[Call] = []
        deadline = monotonic() + patience
        while True:
            end = left.values_list("at", flat=True)[LOOKED_AT : LOOKED_AT + 1].first()
            step = left.filter(self.rest)
            calls += (step if end is None else step.filter(at__gte=end))[: count + 1 - len(calls)]
            if end is None or len(calls) > count:
                return Found.cut(calls, count)
            if monotonic() > deadline:
                return Found(calls, Cursor(end), looked_back_to=end)
            left = left.filter(at__lt=end)

    def each(self, *, batch: int) -> Iterator[list[Call]]:
        """All of them, the latest first, in batches."""
        before: Cursor | None = None
        while True:
            found = self.latest(count=batch, before=before, patience=float("inf"))
            if found.calls:
                yield found.calls
            if found.older is None:
                return
            before = found.older


@dataclass(frozen=True, slots=True)
class Found:
    """Some calls; `older` is where to go on, and `looked_back_to` is where the search was given up for now."""

    calls: list[Call]
    older: Cursor | None
    looked_back_to: datetime | None = None

    @classmethod
    def cut(cls, calls: list[Call], count: int) -> Self:
        more = len(calls) > count
        return cls(calls[:count], Cursor(calls[count - 1].at, calls[count - 1].pk) if more else None)


def read(parameters: Mapping[str, str], span: Span) -> Search:
    """The search that the parameters of PARAMETERS ask for. What cannot be read is told, and left out."""
    values: dict[str, str] = {}
    conditions: dict[str, Q] = {}
    problems: list[str] = []
    for name, reads in _READERS.items():
        text = parameters.get(name, "").replace("\0", "").strip()
        if not text:
            continue
        try:
            conditions[name] = reads(text)
            values[name] = text
        except UnreadableError as error:
            problems.append(f"{LABELS[name]}: {error}")
    # One call has it, whenever that was.
    if "request_id" in conditions:
        return Search(span, {"request_id": values["request_id"]}, conditions["request_id"], Q(), tuple(problems))
    if "operation" in conditions and "api" not in conditions:
        conditions["api"] = _its_api(values["operation"])
    errors = Q(response_code__gte=400) if _are_errors(values) else Q()
    indexed = next((conditions.pop(name) for name in _INDEXED if name in conditions), errors)
    rest = Q()
    for condition in conditions.values():
        rest &= condition
    return Search(span, values, indexed, rest, tuple(problems))


def _are_errors(values: Mapping[str, str]) -> bool:
    return values.get("class") in ("blocked", "failed") or int(values.get("code", "0")[0]) * 100 >= 400


def _its_api(operation: str) -> Q:
    """What lets the index find the operation's calls; nothing where it is gone."""
    api = Operation.objects.filter(pk=int(operation)).values_list("api_id", flat=True).first()
    return Q(api_id=api) if api is not None else Q()


def _latest_first(calls: QuerySet[Call]) -> QuerySet[Call]:
    return calls.order_by("-at", "-id")


def _id(field: str) -> Callable[[str], Q]:
    """Of a row; 0 stands for none."""

    def condition(text: str) -> Q:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _MAX_NUMBER):
            raise UnreadableError(gettext("“%(text)s” is no number.") % {"text": shortened(text)})
        return Q(**{field: int(text)}) if int(text) else Q(**{f"{field}__isnull": True})

    return condition


def _guid(field: str) -> Callable[[str], Q]:
    """Zeros stand for none."""

    def condition(text: str) -> Q:
        if not is_guid(text):
            told = gettext("“%(text)s” is none, which looks like 7c9e6679-7425-40de-944b-e07fc1f90ae7.")
            raise UnreadableError(told % {"text": shortened(text)})
        guid = UUID(text)
        return Q(**{field: guid}) if guid.int else Q(**{f"{field}__isnull": True})

    return condition


def _class(text: str) -> Q:
    wanted = CLASSES.get(text)
    if wanted is None:
        told = gettext("“%(text)s” is none of %(classes)s.")
        raise UnreadableError(told % {"text": shortened(text), "classes": ", ".join(CLASSES)})
    return in_class(wanted)


def in_class(wanted: int) -> Q:
    """Calls that `call_class` says this of."""
    condition = Q()
    for found, codes in groupby(range(_MAX_CODE + 1), call_class):
        if found == wanted:
            first, *following = codes
            last = following[-1] if following else first
            condition |= Q(response_code__gte=first) & (Q() if last == _MAX_CODE else Q(response_code__lte=last))
    return condition


def _code(text: str) -> Q:
    """A status, or all of a hundred, such as 4xx; 0 stands for no answer."""
    if re.fullmatch("[1-9]xx", text.lower(), re.ASCII):
        first = int(text[0]) * 100
        return Q(response_code__gte=first, response_code__lt=first + 100)
    if text == NO_ANSWER or re.fullmatch("[1-9][0-9]{2}", text, re.ASCII):
        return Q(response_code=int(text))
    raise UnreadableError(
        gettext("“%(text)s” is no status: write 429, or 4xx for all from 400 to 499.") % {"text": shortened(text)}
    )


def _country(text: str) -> Q:
    """Two letters, or `none` for calls of which it is not known."""
    if text == NONE:
        return Q(country="")
    if not (len(text) == 2 and text.isascii() and text.isalpha()):
        raise UnreadableError(gettext("“%(text)s” is no country: write two letters.") % {"text": shortened(text)})
    return Q(country=text.upper())


def _exactly(field: str, most_characters: int) -> Callable[[str], Q]:
    return lambda text: Q(**{field: text[:most_characters]})


def _reason(text: str) -> Q:
    """The gateway's word for what went wrong, or `none` where it was the backend that answered so."""
    return Q(error_reason="" if text == NONE else text[:60])


def _at_least(text: str) -> Q:
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = -1.0
    if not 0 <= milliseconds <= _MAX_MILLISECONDS:
        raise UnreadableError(gettext("“%(text)s” is no number of milliseconds.") % {"text": shortened(text)})
    return Q(total_ms__gte=milliseconds)


def _beginning(text: str) -> Q:
    if not text.startswith("/"):
        told = gettext("“%(text)s” is not how a URL begins here: write its path, such as /orders/17.")
        raise UnreadableError(told % {"text": shortened(text)})
    return Q(url__startswith=text[:MAX_URL_CHARACTERS])


def is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


LABELS = {
    "request_id": _("Request id"),
    "api": _("API"),
    "operation": _("Operation"),
    "product": _("Product"),
    "subscription": _("Subscription"),
    "user": _("User"),
    "country": _("Country"),
    "class": _("Class"),
    "code": _("Status"),
    "reason": _("Error"),
    "method": _("Method"),
    "url": _("URL begins with"),
    "min_ms": _("Took at least (ms)"),
}
_READERS: Mapping[str, Callable[[str], Q]] = {
    "request_id": _guid("request_id"),
    "api": _id("api_id"),
    "operation": _id("operation_id"),
    "product": _id("product_id"),
    "subscription": _guid("subscription_id"),
    "user": _id("user_id"),
    "country": _country,
    "class": _class,
    "code": _code,
    "reason": _reason,
    "method": _exactly("method", MAX_METHOD_CHARACTERS),
    "url": _beginning,
    "min_ms": _at_least,
}
PARAMETERS = tuple(_READERS)
# The first that is asked for is what the index is used for.
_INDEXED = ("subscription", "api")
