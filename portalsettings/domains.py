"""Which e-mail addresses may sign up: domains, and `*.domain` for what is below one."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\Z")


def canonical(pattern: str) -> str:
    """The pattern in lower case and in ASCII (IDNA); raises ValidationError where it is none."""
    below = "*." if pattern.startswith("*.") else ""
    domain = _ascii(pattern.removeprefix("*."))
    if not _DOMAIN.match(domain):
        raise ValidationError(
            _("%(pattern)s is no domain: write example.org or *.example.org."), params={"pattern": pattern[:253]}
        )
    return below + domain


def is_allowed(email: str, patterns: list[str]) -> bool:
    """Whether the address is at one of the domains; no patterns allow all. The patterns are canonical."""
    domain = _ascii(email.rpartition("@")[2])
    return not patterns or any(
        domain.endswith(pattern[1:]) if pattern.startswith("*.") else domain == pattern for pattern in patterns
    )


def _ascii(domain: str) -> str:
    """As the DNS has it; unchanged where it cannot be put so, and then it equals no pattern."""
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return domain
