"""Which values of its own a key may have, such as those that callers bring along from another gateway.

Whoever could guess a key could call in its owner's name, so a value must look as if a machine had
made it up: long enough, of enough different characters, and with enough of them that do not follow
from those before. A character follows where it repeats its neighbour or comes next to it (aaaa,
1234, fedc), where it ends three characters that were there before (abcxabcx), and where it belongs
to a word that everybody tries first.
"""

import re
from typing import Final

from django.utils.translation import gettext as _

MIN_CHARACTERS: Final = 16
MAX_CHARACTERS: Final = 256
MIN_DIFFERENT: Final = 6
MIN_UNPREDICTABLE: Final = 8
_VISIBLE = re.compile(r"[!-~]*")
_WORDS = re.compile(
    "|".join(
        (
            "password|passwort|secret|geheim|changeme|change-me|letmein|welcome|qwertz|qwerty|asdfgh|zxcvbn",
            "subscription|ocp-apim|apikey|api-key|primary|secondary|example|sample|default|dummy|demo|test",
            "admin|root|user|guest|token|key|contoso|microsoft|azure|gateway|company",
        )
    ),
    re.IGNORECASE,
)


class WeakKey(ValueError):
    """The value cannot be a key; the text says why, is meant for the user, and does not repeat the value."""


def check_value(value: str) -> None:
    """Raises WeakKey."""
    if not MIN_CHARACTERS <= len(value) <= MAX_CHARACTERS:
        raise WeakKey(
            _("A key has %(low)d to %(high)d characters, this one has %(count)d.")
            % {"low": MIN_CHARACTERS, "high": MAX_CHARACTERS, "count": len(value)}
        )
    if not _VISIBLE.fullmatch(value):
        raise WeakKey(_("A key consists of visible ASCII characters, without spaces."))
    if len(set(value)) < MIN_DIFFERENT:
        raise WeakKey(
            _("Too easy to guess: a key has at least %(count)d different characters.") % {"count": MIN_DIFFERENT}
        )
    if unpredictable_characters(value) < MIN_UNPREDICTABLE:
        raise WeakKey(_("Too easy to guess: it repeats itself, counts, or consists of common words."))


def unpredictable_characters(value: str) -> int:
    """How many characters do not follow from those before them."""
    rest = _WORDS.sub("", value)
    return sum(1 for index in range(len(rest)) if not _follows(rest, index))


def _follows(text: str, index: int) -> bool:
    if index and abs(ord(text[index]) - ord(text[index - 1])) <= 1:
        return True
    return index >= 2 and text[index - 2 : index + 1] in text[:index]
