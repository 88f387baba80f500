"""The text that a page is asked to search for."""

from portal.http import PageRequest

MAX_CHARACTERS = 100


def search_query(request: PageRequest) -> str:
    """The parameter `q`, bounded, and without null characters, which PostgreSQL takes in no text."""
    return request.GET.get("q", "").replace("\0", "")[:MAX_CHARACTERS].strip()
