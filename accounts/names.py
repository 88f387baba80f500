"""What names that people choose may hold: they stand in headings, lists and mails beside other text."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Control and format characters, line and paragraph separators. Among them are those that turn the
# direction of the text around them, and so of what stands beside the name (UAX #9).
_REFUSED = frozenset({"Cc", "Cf", "Zl", "Zp"})
# Scripts such as Persian join and part letters with these.
_JOINERS = frozenset({"\u200c", "\u200d"})


def validate_name(name: str) -> None:
    """Refuse characters that are not seen but change what is."""
    for character in name:
        if character not in _JOINERS and unicodedata.category(character) in _REFUSED:
            raise ValidationError(
                _("The character U+%(code)s cannot be part of a name: it is not seen, but changes how text is shown."),
                params={"code": f"{ord(character):04X}"},
            )
