"""What is asked for in the search fields of long lists."""

MAX_WORDS = 10


def words(text: str) -> list[str]:
    """The first words; each becomes conditions of a query, of which a database takes so many."""
    return text.split()[:MAX_WORDS]
