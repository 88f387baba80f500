"""What the elements of a product's policy call by name: its APIs, and their operations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from policies.document import Element
from policies.errors import PolicyError


class Named(NamedTuple):
    """An API or an operation: its row's key, its name (Azure: id) and its display name (Azure: name)."""

    key: int
    name: str
    display_name: str


class Names(Protocol):
    """Asked only where a document names something."""

    def apis(self) -> Sequence[Named]:
        """The product's APIs."""

    def operations(self, api: int) -> Sequence[Named]: ...


class NoNames:
    """For readers whom the limits of the whole product are enough."""

    def apis(self) -> Sequence[Named]:
        return ()

    def operations(self, api: int) -> Sequence[Named]:
        return ()


@dataclass(frozen=True, slots=True)
class References:
    """`missing` is told of what names nothing, which is then left out; where it is None, that is an error."""

    names: Names
    missing: Callable[[PolicyError], None] | None = None

    def api(self, element: Element) -> int | None:
        """The key of the API that an element names. Raises PolicyError."""
        return self._key(element, self.names.apis(), "of the product")

    def operation(self, element: Element, api: int) -> int | None:
        return self._key(element, self.names.operations(api), "of the API")

    def _key(self, element: Element, among: Sequence[Named], whose: str) -> int | None:
        """Names are compared without case; an id goes before a display name."""
        identifier, display_name = element.attributes.get("id"), element.attributes.get("name")
        wanted = identifier or display_name
        if not wanted:
            raise element.error(f"<{element.name}> needs the attribute 'id' or 'name'")
        place = Named._fields.index("name" if identifier else "display_name")
        found = [one.key for one in among if str(one[place]).lower() == wanted.lower()]
        if len(found) == 1:
            return found[0]
        what = "API" if element.name == "api" else element.name
        if found:
            raise element.error(f"More than one {what} {whose} is called '{wanted}': say its 'id'")
        error = element.error(f"No {what} {whose} has the {'id' if identifier else 'name'} '{wanted}'")
        if self.missing is None:
            raise error
        self.missing(error)
        return None
