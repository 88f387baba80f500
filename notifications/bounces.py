"""Addresses that take no mail.

Known from a mail server that refuses a recipient while the mail is handed over. What bounces later,
as a mail to the sender's mailbox, is not read.
"""

import re
from collections.abc import Mapping

from notifications.models import BouncedAddress

Answers = Mapping[str, tuple[int, bytes]]
_POLICY = re.compile(rb"5\.7\.")


def is_final(code: int, answer: bytes) -> bool:
    """Whether the address is at fault. 5.7.x is the server's policy (RFC 3463): often its settings, or ours."""
    return 500 <= code < 600 and not _POLICY.search(answer)


def note(email: str, reason: str) -> None:
    BouncedAddress.objects.update_or_create(email=email.lower()[:320], defaults={"reason": reason[:500]})


def forget(email: str) -> None:
    """The address takes mail: a link that was sent to it was opened."""
    BouncedAddress.objects.filter(email=email.lower()).delete()
