"""How far developers come: signed up, confirmed, subscribed, first call, first success; and how long each step takes.

A subscription counts for its owner, and that of a team for each member from when he joined. Who has come
to a step has come to all before it, also where nobody knows when: an account that an administrator made
confirmed nothing. Staff and closed accounts are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from statistics import median
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from django.db.models import Exists, Min, OuterRef, QuerySet

from accounts.models import TeamMembership, User
from analytics.periods import Span
from subscriptions.models import Subscription


class Step(IntEnum):
    SIGNED_UP = 0
    CONFIRMED = 1
    SUBSCRIBED = 2
    CALLED = 3
    SUCCEEDED = 4


Moments = tuple[datetime, datetime | None, datetime | None, datetime | None, datetime | None]
"""When somebody came to each step; None where he has not, or nobody knows when."""


class Journey(NamedTuple):
    user: int
    furthest: Step
    moments: Moments


@dataclass(frozen=True, slots=True)
class Line:
    """How many came to a step, how many of them no further, and the median time from the step before."""

    step: Step
    people: int
    stuck: int
    share: float
    share_of_step_before: float
    median_time: timedelta | None


def journeys(span: Span) -> list[Journey]:
    """Of those who signed up in the span, the newest first: three queries, whatever their number."""
    confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
    people = (
        User.objects.filter(registered_at__gte=span.start, registered_at__lt=span.end, is_staff=False)
        .exclude(state=User.State.DELETED)
        .annotate(is_confirmed=Exists(confirmed))
        .order_by("-registered_at", "-pk")
    )
    reached = _reached(span)
    return [
        _journey(pk, signed_up, confirmed_at, is_confirmed, reached.get(pk, _NOTHING))
        for pk, signed_up, confirmed_at, is_confirmed in people.values_list(
            "pk", "registered_at", "confirmed_at", "is_confirmed"
        )
    ]


_Later = tuple[datetime | None, datetime | None, datetime | None]
_NOTHING: _Later = (None, None, None)


def _journey(pk: int, signed_up: datetime, confirmed_at: datetime | None, is_confirmed: bool, later: _Later) -> Journey:
    subscribed_at, called_at, succeeded_at = later
    if succeeded_at is not None:
        furthest = Step.SUCCEEDED
    elif called_at is not None:
        furthest = Step.CALLED
    elif subscribed_at is not None:
        furthest = Step.SUBSCRIBED
    else:
        furthest = Step.CONFIRMED if is_confirmed or confirmed_at is not None else Step.SIGNED_UP
    return Journey(pk, furthest, (signed_up, confirmed_at, *later))


def _reached(span: Span) -> dict[int, _Later]:
    """When people who signed up in the span subscribed, called and succeeded first, by the ids of those who did."""
    own: QuerySet[Any] = Subscription.objects.filter(
        owner__registered_at__gte=span.start, owner__registered_at__lt=span.end
    )
    rows = (
        own.order_by()
        .values_list("owner")
        .annotate(Min("started_at"), Min("first_call__called_at"), Min("first_call__succeeded_at"))
    )
    reached: dict[int, _Later] = {user: tuple(moments) for user, *moments in rows}
    for user, moments in _reached_in_teams(span):
        known = reached.get(user, _NOTHING)
        reached[user] = tuple(_earlier(one, other) for one, other in zip(known, moments, strict=True))  # type: ignore[assignment]
    return reached


def _reached_in_teams(span: Span) -> Iterator[tuple[int, _Later]]:
    memberships = TeamMembership.objects.filter(
        user__registered_at__gte=span.start, user__registered_at__lt=span.end, team__subscriptions__isnull=False
    )
    rows = (
        memberships.order_by()
        .values_list("user", "joined_at")
        .annotate(
            Min("team__subscriptions__started_at"),
            Min("team__subscriptions__first_call__called_at"),
            Min("team__subscriptions__first_call__succeeded_at"),
        )
    )
    for user, joined_at, *moments in rows:
        yield user, tuple(max(moment, joined_at) if moment is not None else None for moment in moments)  # type: ignore[misc]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one is not None and other is not None else one or other


def funnel(found: Sequence[Journey]) -> list[Line]:
    lines: list[Line] = []
    for step in Step:
        people = sum(journey.furthest >= step for journey in found)
        before = lines[-1].people if lines else people
        lines.append(
            Line(
                step,
                people,
                stuck=sum(journey.furthest == step for journey in found),
                share=people / len(found) if found else 0.0,
                share_of_step_before=people / before if before else 0.0,
                median_time=_median_time(found, step),
            )
        )
    return lines


def _median_time(found: Sequence[Journey], step: Step) -> timedelta | None:
    """From the step before, of those of whom both moments are known."""
    if step is Step.SIGNED_UP:
        return None
    times = [
        max((there - before).total_seconds(), 0.0)
        for journey in found
        if (there := journey.moments[step]) is not None and (before := journey.moments[step - 1]) is not None
    ]
    return timedelta(seconds=median(times)) if times else None


def stuck_at(found: Sequence[Journey], step: Step) -> list[Journey]:
    """Those who came to this step and no further."""
    return [journey for journey in found if journey.furthest is step]
