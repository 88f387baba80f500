"""Readers of an element's attributes and content, for the modules in `policies.elements`.

Each raises PolicyError naming the element, the attribute, and what would be right.
"""

import re
from collections.abc import Container, Mapping

from policies.document import Element
from policies.errors import _

_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
# What frames an answer, and what the gateway says of it in any case.
_NOT_TO_CHOOSE = frozenset(
    (
        "connection",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "ratelimit",
        "ratelimit-policy",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    )
)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}", re.ASCII)


def whole_number(element: Element, name: str, *, low: int, high: int) -> int:
    """A required number in plain digits."""
    number = optional_number(element, name, low=low, high=high)
    if number is None:
        raise element.error(_("<%(element)s> needs the attribute '%(name)s'"), element=element.name, name=name)
    return number


def optional_number(element: Element, name: str, *, low: int, high: int) -> int | None:
    """A number in plain digits; None where there is none."""
    text = element.attributes.get(name)
    if text is None:
        return None
    if text.startswith("@"):
        raise element.error(_("'%(name)s' of <%(element)s> cannot be an expression"), name=name, element=element.name)
    if not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise element.error(
            _("'%(name)s' of <%(element)s> must be a whole number from %(low)s to %(high)s"),
            name=name,
            element=element.name,
            low=low,
            high=high,
        )
    return int(text)


def header_names(element: Element, defaults: Mapping[str, str]) -> list[str]:
    """The headers of the answer that the attributes name, each another one; empty where there is none."""
    names: list[str] = []
    for attribute, default in defaults.items():
        name = element.attributes.get(attribute, default)
        if (attribute in element.attributes and not _TOKEN.fullmatch(name)) or name.lower() in _NOT_TO_CHOOSE:
            raise element.error(
                _("'%(attribute)s' of <%(element)s> must be the name of a header that is free"),
                attribute=attribute,
                element=element.name,
            )
        if name and name.lower() in [other.lower() for other in names]:
            raise element.error(
                _("'%(attribute)s' of <%(element)s> names a header that another attribute names"),
                attribute=attribute,
                element=element.name,
            )
        names.append(name)
    return names


def refuse_other_attributes(element: Element, known: Container[str], not_supported: Container[str] = ()) -> None:
    """Any policy may carry an `id`, which names it in error reports."""
    for name in element.attributes:
        if name in not_supported:
            raise element.error(_("'%(name)s' of <%(element)s> is not supported yet"), name=name, element=element.name)
        if name not in known and name != "id":
            raise element.error(_("<%(element)s> has no attribute '%(name)s'"), element=element.name, name=name)


def refuse_text(element: Element) -> None:
    if element.text.strip():
        raise element.error(_("<%(element)s> cannot contain text"), element=element.name)


def refuse_children(element: Element, not_supported: Container[str] = ()) -> None:
    for child in element.children:
        if child.name in not_supported:
            raise child.error(
                _("<%(child)s> in <%(element)s> is not supported yet"), child=child.name, element=element.name
            )
        raise child.error(_("<%(element)s> cannot contain <%(child)s>"), element=element.name, child=child.name)
