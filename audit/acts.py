"""Who is acting just now: entries are made while somebody is, and not otherwise.

So what the worker does by itself, and what developers do with their own things, costs and leaves nothing here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from accounts.models import User


@dataclass(frozen=True, slots=True)
class Act:
    """One request or one command; what it changes shares its id."""

    via: str
    by: "User | None" = None
    address: str | None = None
    id: str = field(default_factory=lambda: uuid4().hex)


_act: ContextVar[Act | None] = ContextVar("act", default=None)


def current() -> Act | None:
    return _act.get()


@contextmanager
def acting(*, via: str, by: "User | None" = None, address: str | None = None) -> Iterator[None]:
    """Note in the audit log what is changed meanwhile; within another act that one goes on."""
    if _act.get() is not None:
        yield
        return
    token = _act.set(Act(via, by, address))
    try:
        yield
    finally:
        _act.reset(token)
