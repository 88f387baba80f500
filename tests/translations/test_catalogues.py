"""Each catalogue has every text of the sources, whole and translated."""

import re

import pytest
from django.conf import settings

from deploy import messages

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{[\w*]+\}|<[^>]+>")


@pytest.fixture(scope="module")
def sources():
    return messages.texts_of_the_sources()


def test_languages_of_the_settings_have_catalogues():
    assert {code for code, _name in settings.LANGUAGES} == {"en", *messages.LANGUAGES}


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_catalogue_has_the_texts_of_the_sources_and_is_compiled(sources, language):
    catalogue = messages.translated(sources, language)
    file = messages.file(language)
    # Told apart here: pytest would look for hours for how two long files differ.
    is_kept = file.read_bytes() == messages.as_po(catalogue)
    is_compiled = file.with_suffix(".mo").read_bytes() == messages.as_mo(catalogue)
    assert (is_kept, is_compiled) == (True, True), "run `make messages`"


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_text_is_translated(sources, language):
    catalogue = messages.translated(sources, language)
    assert [message.id for message in catalogue if message.id and not messages.is_translated(message)] == []


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_translations_keep_placeholders_and_markup(sources, language):
    catalogue = messages.translated(sources, language)
    assert [message.id for message in catalogue if message.id and not _keeps(message)] == []


def _keeps(message) -> bool:
    """A plural's form may leave out its number, as "per week" does; nothing adds what is not in the text."""
    if not messages.is_translated(message):
        return True
    texts = message.id if message.pluralizable else (message.id,)
    allowed = [sorted(PLACEHOLDER.findall(text)) for text in texts]
    forms = message.string if message.pluralizable else (message.string,)
    return all(sorted(PLACEHOLDER.findall(form)) in allowed for form in forms)


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_translations_fit_into_attributes(sources, language):
    """`translate` does not escape, so a straight quotation mark would end an attribute."""
    catalogue = messages.translated(sources, language)
    wrong = [
        message.id
        for message in catalogue
        if message.id and not message.pluralizable and '"' in (message.string or "") and '"' not in message.id
    ]
    assert wrong == []
