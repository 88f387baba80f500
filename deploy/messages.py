"""Brings the catalogues of locale/ up to date with the texts of the sources: `python -m deploy.messages`.

Does what Django's makemessages and compilemessages do, without the programs of GNU gettext. The compiled catalogues are
kept with the sources, so that whoever runs the product needs nothing of this.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

BASE_DIR = Path(__file__).resolve().parent.parent
LOCALE_DIR = BASE_DIR / "locale"
LANGUAGES = ("hu", "de")
WITHOUT_TEXTS = {"bench", "build", "deploy", "examples", "gateway", "migrations", "tests", "var"}
KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


class PlainCatalog(Catalog):
    """A catalogue that says nothing of dates, people and programs: git knows, and each would change with every run."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]

    @mime_headers.setter
    def mime_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """What babel reads from a file says nothing more."""


def main() -> None:
    sources = texts_of_the_sources()
    for language in LANGUAGES:
        catalogue = translated(sources, language)
        file(language).parent.mkdir(parents=True, exist_ok=True)
        file(language).write_bytes(as_po(catalogue))
        file(language).with_suffix(".mo").write_bytes(as_mo(catalogue))
        missing = sum(not is_translated(message) for message in catalogue if message.id)
        print(f"{language}: {len(catalogue)} texts, {missing} of them to be translated")


def texts_of_the_sources() -> Catalog:
    """Every text that is marked for translation in Python or in a template."""
    catalogue = Catalog(charset="utf-8")
    for source in sorted(BASE_DIR.rglob("*")):
        name = source.relative_to(BASE_DIR)
        if source.suffix not in (".py", ".html", ".txt") or _has_no_texts(name):
            continue
        for _line, text, comments, context in _texts(source):
            catalogue.add(text, locations=[(str(name), 0)], auto_comments=comments, context=context)
    return catalogue


def _has_no_texts(name: Path) -> bool:
    if name.suffix == ".txt" and "templates" not in name.parts:
        return True
    return any(part in WITHOUT_TEXTS or part.startswith(".") for part in name.parts)


def _texts(source: Path) -> Iterator[tuple[int, Any, list[str], str | None]]:
    content = source.read_text(encoding="utf-8")
    if source.suffix != ".py":
        # Python without its texts is no Python; to its tokenizer only the indentation matters.
        content = "\n".join(line.lstrip() for line in templatize(content).splitlines())
    yield from extract("python", BytesIO(content.encode()), keywords=KEYWORDS, comment_tags=("Translators:",))


def translated(sources: Catalog, language: str) -> PlainCatalog:
    """The texts of the sources, with the translations that there are; those of other texts are dropped."""
    known, catalogue = read(language), PlainCatalog(language, charset="utf-8", fuzzy=False)
    for message in sources:
        if message.id:
            before = known.get(message.id, message.context)
            catalogue.add(
                message.id,
                before.string if before and before.pluralizable == message.pluralizable else None,
                locations=message.locations,
                auto_comments=message.auto_comments,
                context=message.context,
            )
    return catalogue


def read(language: str) -> Catalog:
    """The catalogue as its translators left it; an empty one for a new language."""
    if not file(language).exists():
        return Catalog(language, charset="utf-8")
    with file(language).open("rb") as po:
        return read_po(po, locale=language, abort_invalid=True)


def file(language: str) -> Path:
    return LOCALE_DIR / language / "LC_MESSAGES" / "django.po"


def is_translated(message: Message) -> bool:
    texts = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return all(texts) and not message.fuzzy


def as_po(catalogue: Catalog) -> bytes:
    """Sorted by the texts, so that a change of the catalogue shows what changed."""
    catalogue.header_comment = "# CONTRIBUTING.md says how to translate, GLOSSARY.md by which words."
    po = BytesIO()
    write_po(po, catalogue, width=100, sort_output=True, include_lineno=False)
    return po.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    mo = BytesIO()
    write_mo(mo, catalogue)
    return mo.getvalue()


if __name__ == "__main__":
    settings.configure()
    main()
