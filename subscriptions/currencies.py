"""Currencies that are in use, by their codes (ISO 4217)."""

from functools import cache

from babel import Locale
from babel.numbers import get_currency_precision, get_territory_currencies


@cache
def in_use() -> frozenset[str]:
    """The legal tender of any territory today; Babel's list of all names the German mark, too."""
    territories = map(str, Locale("en").territories)
    return frozenset(code for territory in territories for code in get_territory_currencies(territory))


def decimals_of(code: str) -> int:
    """How many decimals amounts of the currency have: 2 for EUR, 0 for JPY."""
    return get_currency_precision(code)
