"""What the elements of a product's policy call by name: its APIs, and their operations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from policies.document import Element
from policies.errors import PolicyError, _


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


class _Texts(NamedTuple):
    ambiguous: str
    no_id: str
    no_name: str


_OF_PRODUCT = _Texts(
    _("More than one API of the product is called '%(wanted)s': say its 'id'"),
    _("No API of the product has the id '%(wanted)s'"),
    _("No API of the product has the name '%(wanted)s'"),
)
_OF_API = _Texts(
    _("More than one operation of the API is called '%(wanted)s': say its 'id'"),
    _("No operation of the API has the id '%(wanted)s'"),
    _("No operation of the API has the name '%(wanted)s'"),
)


@dataclass(frozen=True, slots=True)
class References:
    """`missing` is told of what names nothing, which is then left out; where it is None, that is an error."""

    names: Names
    missing: Callable[[PolicyError], None] | None = None

    def api(self, element: Element) -> int | None:
        """The key of the API that an element names. Raises PolicyError."""
        return self._key(element, self.names.apis(), _OF_PRODUCT)

    def operation(self, element: Element, api: int) -> int | None:
        return self._key(element, self.names.operations(api), _OF_API)

    def _key(self, element: Element, among: Sequence[Named], texts: _Texts) -> int | None:
        """Names are compared without case; an id goes before a display name."""
        identifier, display_name = element.attributes.get("id"), element.attributes.get("name")
        wanted = identifier or display_name
        if not wanted:
            raise element.error(_("<%(element)s> needs the attribute 'id' or 'name'"), element=element.name)
        place = Named._fields.index("name" if identifier else "display_name")
        found = [one.key for one in among if str(one[place]).lower() == wanted.lower()]
        if len(found) == 1:
            return found[0]
        if found:
            raise element.error(texts.ambiguous, wanted=wanted)
        error = element.error(texts.no_id if identifier else texts.no_name, wanted=wanted)
        if self.missing is None:
            raise error
        self.missing(error)
        return None
