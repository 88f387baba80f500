"""Traces of the console's calls: what the gateway did with one, step by step.

The portal makes a debug token for the call, sends it along, and fetches the trace with it.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import requests
from django.conf import settings
from django.utils.translation import gettext as _
from requests.exceptions import RequestException

from gateway.telemetry.debug_token import TRACES_PATH, make_token, token_secret
from portal.console.forward import Answer, NoAnswer
from subscriptions.models import Subscription

DEBUG_HEADER = "Apim-Debug-Authorization"
# Longer than any call of the console takes.
TOKEN_SECONDS = 600
FETCH_SECONDS = 5.0
LIMIT_BYTES = 2**20
_ID = re.compile(r"[0-9a-f]{32}")
_ELAPSED = re.compile(r"(\d+):(\d\d):(\d\d)\.(\d{7})")


class _Entry(msgspec.Struct):
    source: str
    elapsed: str
    data: dict[str, Any]


class _Entries(msgspec.Struct):
    inbound: list[_Entry]
    backend: list[_Entry]
    outbound: list[_Entry]


class _Told(msgspec.Struct):
    traceEntries: _Entries  # Azure's name.


@dataclass(frozen=True, slots=True)
class Step:
    """`milliseconds` have passed since the step before."""

    source: str
    milliseconds: float
    data: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    milliseconds: float
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """Without sections, `note` says why there are none."""

    sections: tuple[Section, ...] = ()
    note: str = ""

    @property
    def milliseconds(self) -> float:
        return sum(section.milliseconds for section in self.sections)


def token_for(subscription: Subscription) -> str:
    secret = token_secret(settings.KEY_ENCRYPTION_KEY)
    return make_token(secret, subscription.pk.bytes, time.time(), TOKEN_SECONDS)


def trace_of(outcome: Answer | NoAnswer, token: str) -> Trace:
    """The trace of a call that was sent with the token."""
    trace_id = outcome.header("apim-trace-id") if isinstance(outcome, Answer) else ""
    if not _ID.fullmatch(trace_id):
        return Trace(note=_("The gateway made no trace of this call."))
    content = _fetched(trace_id, token)
    if content is None:
        return Trace(note=_("The trace could not be fetched from the gateway."))
    try:
        return Trace(tuple(_sections(msgspec.json.decode(content, type=_Told).traceEntries)))
    except (msgspec.MsgspecError, ValueError):
        return Trace(note=_("The trace that came from the gateway cannot be read."))


def _fetched(trace_id: str, token: str) -> bytes | None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.get(
                f"{settings.GATEWAY_INTERNAL_URL}{TRACES_PATH}{trace_id}",
                headers={DEBUG_HEADER: token},
                timeout=FETCH_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                content: bytes = response.raw.read(LIMIT_BYTES + 1, decode_content=True)
                return content if response.status_code == 200 and len(content) <= LIMIT_BYTES else None
        except (RequestException, OSError):
            return None


def _sections(entries: _Entries) -> Iterator[Section]:
    """A step lasts from the one before it, also where that is in another section."""
    before = 0.0
    for name in ("inbound", "backend", "outbound"):
        steps = []
        for entry in getattr(entries, name):
            at = _milliseconds(entry.elapsed)
            steps.append(Step(entry.source, max(at - before, 0.0), tuple(_lines(entry.data))))
            before = max(at, before)
        yield Section(name, sum(step.milliseconds for step in steps), tuple(steps))


def _milliseconds(elapsed: str) -> float:
    """Raises ValueError."""
    found = _ELAPSED.fullmatch(elapsed)
    if found is None:
        raise ValueError(f"'{elapsed}' is no time span")
    hours, minutes, seconds, ticks = map(int, found.groups())
    return (hours * 3600 + minutes * 60 + seconds) * 1000 + ticks / 10_000


def _lines(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield name, ", ".join(f"{inner}: {_text(each)}" for inner, each in value.items())
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
