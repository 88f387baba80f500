"""A page as elements, to read its tables and numbers as a person would."""

from html.parser import HTMLParser
from xml.etree import ElementTree

from tests.translations.test_pages import VOID


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = ElementTree.Element("root")
        self._open = [self.root]

    def handle_starttag(self, tag, attributes):
        element = ElementTree.SubElement(self._open[-1], tag, {name: value or "" for name, value in attributes})
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attributes):
        ElementTree.SubElement(self._open[-1], tag, {name: value or "" for name, value in attributes})

    def handle_endtag(self, tag):
        if any(one.tag == tag for one in self._open[1:]):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data):
        parent = self._open[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + data
        else:
            parent.text = (parent.text or "") + data


def read(html: str) -> ElementTree.Element:
    tree = _Tree()
    tree.feed(html)
    return tree.root


def text_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def numbers(page: ElementTree.Element) -> dict[str, list[str]]:
    """Of each list of definitions: what stands below each name."""
    return {
        text_of(part.find("dt")): [text_of(one) for one in part.findall("dd")]
        for part in page.iter("div")
        if part.find("dt") is not None
    }


def table_of(page: ElementTree.Element, name: str) -> list[list[str]]:
    """The rows of the table that the element with this id names, with its head."""
    for region in page.iter("div"):
        if region.get("aria-labelledby") == name and region.find("table") is not None:
            return [[text_of(cell) for cell in row] for row in region.iter("tr")]
    return []


def links_of(page: ElementTree.Element, name: str) -> dict[str, str]:
    """The links of this table, by their texts."""
    for region in page.iter("div"):
        if region.get("aria-labelledby") == name:
            return {text_of(link): link.get("href", "") for link in region.iter("a")}
    return {}
