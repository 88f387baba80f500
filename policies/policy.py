"""What the compiler knows of a policy: where it may stand, and how its element is read."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from policies.document import Element
from policies.references import References


class Section(Enum):
    INBOUND = "inbound"
    BACKEND = "backend"
    OUTBOUND = "outbound"
    ON_ERROR = "on-error"


class Scope(Enum):
    PRODUCT = "product"
    API = "API"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Policy:
    """`read` makes the value that the gateway works with; it raises PolicyError."""

    name: str
    sections: frozenset[Section]
    scopes: frozenset[Scope]
    read: Callable[[Element, References], object]
    once_per_document: bool = False
