"""`<api>` with `<operation>` in it, as `rate-limit` and `quota` have them: limits of a part of the product."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from policies.attributes import refuse_children, refuse_text
from policies.document import Element
from policies.errors import _
from policies.references import References


class Part(NamedTuple):
    """What an element limits: an API, or where `operation` is not None, that operation of it."""

    element: Element
    api: int
    operation: int | None


def parts_of(element: Element, references: References, check: Callable[[Element], None]) -> Iterator[Part]:
    """The parts that have limits of their own, each once. `check` looks at an element that names a part.

    Raises PolicyError.
    """
    seen: set[tuple[int, int | None]] = set()
    for part in _parts(element, references, check):
        if (part.api, part.operation) in seen:
            raise part.element.error(
                _("This <%(element)s> has a limit in <%(whole)s> already"),
                element=part.element.name,
                whole=element.name,
            )
        seen.add((part.api, part.operation))
        yield part


def _parts(element: Element, references: References, check: Callable[[Element], None]) -> Iterator[Part]:
    for child in _children(element, "api"):
        check(child)
        api = references.api(child)
        if api is not None:
            yield Part(child, api, None)
        for grandchild in _children(child, "operation"):
            check(grandchild)
            refuse_children(grandchild)
            operation = references.operation(grandchild, api) if api is not None else None
            if api is not None and operation is not None:
                yield Part(grandchild, api, operation)


def _children(element: Element, name: str) -> Iterator[Element]:
    for child in element.children:
        if child.name != name:
            raise child.error(_("<%(element)s> cannot contain <%(child)s>"), element=element.name, child=child.name)
        refuse_text(child)
        yield child
