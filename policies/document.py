"""A policy document as a tree of elements that know their place in the text.

Reads XML with expat itself, so that every error has a line and a column. What could make a parser
work without end, or read something else, is refused: DOCTYPE, entities, depth, size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from policies.errors import PolicyError, _

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_ELEMENTS = 10_000


@dataclass(slots=True)
class Element:
    """`text` is what stands directly in it, without its children's."""

    name: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def error(self, text: str, /, **values: object) -> PolicyError:
        return PolicyError(text, self.line, self.column, **values)

    def named(self, name: str) -> Iterator["Element"]:
        return (child for child in self.children if child.name == name)


def parse(document: str) -> Element:
    """The document's root. Raises PolicyError."""
    encoded = document.encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_BYTES:
        raise PolicyError(_("A policy document has at most %(limit)s bytes"), 1, 1, limit=MAX_BYTES)
    return _Reader().read(encoded)


class _Reader:
    def __init__(self) -> None:
        # The declared encoding does not matter: what arrives here has been decoded already.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.ordered_attributes = True
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.ProcessingInstructionHandler = self._instruction
        self._open: list[Element] = []
        self._root: Element | None = None
        self._elements = 0

    def read(self, document: bytes) -> Element:
        try:
            self._parser.Parse(document, True)
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code) or "not well-formed"
            raise PolicyError(
                _("This is not well-formed XML: %(why)s"), error.lineno, error.offset + 1, why=why
            ) from error
        assert self._root is not None
        return self._root

    def _here(self, text: str, /, **values: object) -> PolicyError:
        return PolicyError(text, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1, **values)

    def _start(self, name: str, attributes: list[str]) -> None:
        self._elements += 1
        if len(self._open) >= MAX_DEPTH:
            raise self._here(_("Elements are nested more than %(limit)s deep"), limit=MAX_DEPTH)
        if self._elements > MAX_ELEMENTS:
            raise self._here(_("A policy document has at most %(limit)s elements"), limit=MAX_ELEMENTS)
        pairs = dict(zip(attributes[::2], attributes[1::2], strict=True))
        element = Element(name, pairs, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].text += text

    def _doctype(self, *declaration: object) -> None:
        raise self._here(_("A policy document has no DOCTYPE"))

    def _instruction(self, target: str, data: str) -> None:
        raise self._here(_("A policy document has no processing instructions"))
