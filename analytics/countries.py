"""The country that an address is in, by the MaxMind file that GEOIP_DATABASE names.

Usage never waits for the file, nor fails for it: without one, or with a broken one, no country is known.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeAlias

import maxminddb
from django.conf import settings

_REMEMBERED = 50_000
_Stamp: TypeAlias = tuple[int, int, int]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Countries:
    """`of` gives a country's two letters, or nothing. `problem` says why the file cannot be used."""

    of: Callable[[str], str]
    problem: str = ""


def current() -> Countries:
    """By the file as it is now; it is read again once it has changed."""
    path = settings.GEOIP_DATABASE
    if not path:
        return _NOWHERE
    try:
        status = Path(path).stat()
    except OSError as error:
        return _broken(path, str(error.strerror))
    return _read(path, (status.st_mtime_ns, status.st_size, status.st_ino))


def _nowhere(address: str) -> str:
    return ""


_NOWHERE = Countries(_nowhere)


@lru_cache(maxsize=1)
def _broken(path: str, reason: str) -> Countries:
    problem = f"{path}: {reason}"
    logger.error("GEOIP_DATABASE cannot be used, and countries of callers are not known: %s", problem)
    return Countries(_nowhere, problem)


@lru_cache(maxsize=1)
def _read(path: str, stamp: _Stamp) -> Countries:
    try:
        # A copy of its own: whoever writes into the file would pull the rug from under the reader.
        with tempfile.NamedTemporaryFile(prefix="countries-") as copy, open(path, "rb") as file:
            shutil.copyfileobj(file, copy)
            copy.flush()
            reader = maxminddb.open_database(copy.name)
        reader.get("192.0.2.1")
    except OSError as error:
        return _broken(path, str(error.strerror))
    except (ValueError, maxminddb.InvalidDatabaseError):
        return _broken(path, "it is no MaxMind database")
    _broken.cache_clear()
    return Countries(lru_cache(maxsize=_REMEMBERED)(partial(_country, reader)))


def _country(reader: maxminddb.Reader, address: str) -> str:
    """Files of MaxMind and DB-IP say {"country": {"iso_code": "DE"}}, those of IPinfo {"country_code": "DE"}."""
    try:
        found = reader.get(address)
    except (ValueError, TypeError, maxminddb.InvalidDatabaseError):
        # The address is none, or the file is broken there.
        return ""
    if not isinstance(found, dict):
        return ""
    for name in ("country", "registered_country"):
        country = found.get(name)
        if isinstance(country, dict):
            return _code(country.get("iso_code"))
    return _code(found.get("country_code") or found.get("country"))


def _code(value: object) -> str:
    is_code = isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha()
    return value.upper() if isinstance(value, str) and is_code else ""
