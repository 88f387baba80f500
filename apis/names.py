"""Names that identify APIs and operations in URLs."""

from collections.abc import Iterable

from django.utils.text import slugify

MAX_CHARACTERS = 80


def free_name(display_name: str, *, taken: Iterable[str], fallback: str) -> str:
    """The display name as a slug, with a number behind it if it is taken, in whatever case."""
    stem = slugify(display_name)[: MAX_CHARACTERS - 6].strip("-_") or fallback
    used = {name.lower() for name in taken}
    candidate, number = stem, 1
    while candidate in used:
        number += 1
        candidate = f"{stem}-{number}"
    return candidate
