"""Who is in a group because an identity provider says so (Azure: external group).

A provider's claims are JSON that somebody else wrote, so all that is read of them is bounded.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import ClaimedMembership, Group, User

logger = logging.getLogger(__name__)

MAX_DEPTH = 10
MAX_VALUES = 10_000


def apply_claims(user: User, provider: str, claims: Mapping[str, Any]) -> None:
    """Make the user a member of those of the provider's groups that its claims name, and of no others of them.

    For each sign-in through the provider. Memberships that were given by hand, or that another
    provider gave, stay as they are.
    """
    groups = Group.objects.filter(provider=provider) if provider else Group.objects.none()
    claimed = {group.pk for group in groups if _is_claimed(group, claims)}
    with transaction.atomic():
        # Two sign-ins at a time take turns.
        User.objects.select_for_update().get(pk=user.pk)
        given = ClaimedMembership.objects.filter(user=user, group__provider=provider)
        given.exclude(group__in=claimed).delete()
        new = claimed - set(given.values_list("group", flat=True))
        ClaimedMembership.objects.bulk_create(ClaimedMembership(user=user, group_id=pk) for pk in sorted(new))


def forget_claims(group: Group) -> None:
    """Take out whom the claims put in, for the group asks for others now. They come back as they sign in."""
    group.claimed_memberships.all().delete()


def forget_claims_about(user: User, provider: str) -> None:
    """Take the person out of the groups where the provider put him, for nobody there says so any more."""
    ClaimedMembership.objects.filter(user=user, group__provider=provider).delete()


def _is_claimed(group: Group, claims: Mapping[str, Any]) -> bool:
    wanted = set(group.claim_values.splitlines())
    return any(value in wanted for value in values_of(claims, group.claim))


def values_of(claims: Mapping[str, Any], path: str) -> Iterator[str]:
    """What the claim holds: one value, or those of a list.

    A claim of just that name counts first, since names may be URLs; else each dot of the path leads
    into an object, or into each object of a list. What is longer or deeper than the bounds is left out.
    """
    values = _at(claims, [path] if path in claims else path.split(".")[: MAX_DEPTH + 1])
    for number, value in enumerate(values):
        if number == MAX_VALUES:
            logger.warning("claim_too_long", extra={"claim": path, "limit": MAX_VALUES})
            return
        yield value


def _at(value: Any, names: Sequence[str], depth: int = 0) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for one in value[: MAX_VALUES + 1]:
            yield from _at(one, names, depth + 1)
    elif names:
        if isinstance(value, Mapping) and names[0] in value:
            yield from _at(value[names[0]], names[1:], depth + 1)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str | int):
        yield str(value)
