"""How far developers come: signed up, confirmed, subscribed, first call, first success; and how long each step takes.

A subscription counts for its owner, and that of a team for each member from when he joined. Who has come
to a step has come to all before it, also where nobody knows when: an account that an administrator made
confirmed nothing. Staff and closed accounts are left out.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from django.db import connection
from django.db.models import Min, Q, QuerySet

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
    """How many came to a step, how many of them no further, and the median time from the step before.

    The median is of those of whom both moments are known.
    """

    step: Step
    people: int
    stuck: int
    share: float
    share_of_step_before: float
    median_time: timedelta | None


# In seconds: the time between two moments, and the median of a column of `journey`.
_BETWEEN = {
    "postgresql": "date_part('epoch', {end} - {start})",
    "sqlite": "(julianday({end}) - julianday({start})) * 86400",
}
_MEDIAN = {
    "postgresql": "(percentile_cont(0.5) WITHIN GROUP (ORDER BY {column}))",
    "sqlite": """
        (SELECT avg({column}) FROM (
            SELECT {column} FROM journey WHERE {column} IS NOT NULL ORDER BY {column}
            LIMIT 2 - (SELECT {column} FROM known) %% 2
            OFFSET (SELECT ({column} - 1) / 2 FROM known)
        ))
    """,
}
# Each table is read once, however many people there are.
_FUNNEL = """
    WITH step AS (
        SELECT owned.owner_id AS user_id, owned.started_at, first.called_at, first.succeeded_at
        FROM subscriptions_subscription owned
        LEFT JOIN analytics_firstcall first ON first.subscription_id = owned.id
        WHERE owned.owner_id IS NOT NULL
        UNION ALL
        SELECT
            member.user_id,
            CASE WHEN shared.started_at < joined_at THEN joined_at ELSE shared.started_at END,
            CASE WHEN first.called_at < joined_at THEN joined_at ELSE first.called_at END,
            CASE WHEN first.succeeded_at < joined_at THEN joined_at ELSE first.succeeded_at END
        FROM accounts_teammembership member
        JOIN subscriptions_subscription shared ON shared.team_id = member.team_id
        LEFT JOIN analytics_firstcall first ON first.subscription_id = shared.id
    ), reached AS (
        SELECT user_id, min(started_at) AS subscribed_at, min(called_at) AS called_at, min(succeeded_at) AS succeeded_at
        FROM step
        GROUP BY user_id
    ), journey AS MATERIALIZED (
        SELECT
            CASE
                WHEN succeeded_at IS NOT NULL THEN 4
                WHEN called_at IS NOT NULL THEN 3
                WHEN subscribed_at IS NOT NULL THEN 2
                WHEN confirmed_at IS NOT NULL THEN 1
                WHEN person.id IN (SELECT user_id FROM account_emailaddress WHERE verified) THEN 1
                ELSE 0
            END AS furthest,
            {to_confirmed} AS to_confirmed,
            {to_subscribed} AS to_subscribed,
            {to_called} AS to_called,
            {to_succeeded} AS to_succeeded
        FROM accounts_user person
        LEFT JOIN reached ON reached.user_id = person.id
        WHERE registered_at >= %s AND registered_at < %s AND NOT is_staff AND state <> %s
    ), known AS MATERIALIZED (
        SELECT {known} FROM journey
    )
    SELECT {stuck}, {medians} FROM journey
"""


def funnel(span: Span) -> list[Line]:
    """Of those who signed up in the span. One query."""
    moments = ("registered_at", "confirmed_at", "subscribed_at", "called_at", "succeeded_at")
    columns = ("to_confirmed", "to_subscribed", "to_called", "to_succeeded")
    median = _MEDIAN[connection.vendor]
    # Whoever came to a step before the one before it took no time.
    between = f"CASE WHEN {{end}} < {{start}} THEN 0 ELSE {_BETWEEN[connection.vendor]} END"
    times = {
        column: between.format(start=start, end=end)
        for column, (start, end) in zip(columns, pairwise(moments), strict=True)
    }
    query = _FUNNEL.format(
        stuck=", ".join(f"count(*) FILTER (WHERE furthest = {step:d})" for step in Step),
        known=", ".join(f"count({column}) AS {column}" for column in columns),
        medians=", ".join(median.format(column=column) for column in columns),
        **times,
    )
    operations = connection.ops
    start, end = (operations.adapt_datetimefield_value(moment) for moment in (span.start, span.end))
    with connection.cursor() as cursor:
        cursor.execute(query, [start, end, User.State.DELETED.value])
        row = cursor.fetchone()
    return _lines(row[: len(Step)], [None, *row[len(Step) :]])


def _lines(stuck: Collection[int], medians: Collection[float | None]) -> list[Line]:
    lines: list[Line] = []
    people = everybody = sum(stuck)
    for step, here, seconds in zip(Step, stuck, medians, strict=True):
        before = lines[-1].people if lines else people
        lines.append(
            Line(
                step,
                people,
                stuck=here,
                share=people / everybody if everybody else 0.0,
                share_of_step_before=people / before if before else 0.0,
                median_time=timedelta(seconds=seconds) if seconds is not None else None,
            )
        )
        people -= here
    return lines


def signed_up(span: Span) -> QuerySet[User]:
    """Those who did in the span, the newest first."""
    people = User.objects.filter(registered_at__gte=span.start, registered_at__lt=span.end, is_staff=False)
    return people.exclude(state=User.State.DELETED).order_by("-registered_at", "-pk")


def stuck_at(span: Span, step: Step) -> QuerySet[User]:
    """Those of `signed_up` who came to this step and no further."""
    people = signed_up(span)
    if step is not Step.SIGNED_UP:
        people = people.filter(_came_to(step))
    for later in list(Step)[step + 1 :]:
        # Whoever had success called.
        if later is not Step.SUCCEEDED or step is Step.CALLED:
            people = people.exclude(_came_to(later))
    return people


_FIELDS = {
    Step.SUBSCRIBED: "started_at",
    Step.CALLED: "first_call__called_at",
    Step.SUCCEEDED: "first_call__succeeded_at",
}


def _came_to(step: Step) -> Q:
    """That there is a sign of it. Lists of ids, which both databases make once; SQLite plans EXISTS badly here."""
    if step is Step.CONFIRMED:
        verified = EmailAddress.objects.filter(verified=True)
        return Q(confirmed_at__isnull=False) | Q(pk__in=verified.values("user"))
    field = _FIELDS[step]
    own = Subscription.objects.filter(owner__isnull=False, **{f"{field}__isnull": False})
    shared = TeamMembership.objects.filter(**{f"team__subscriptions__{field}__isnull": False})
    return Q(pk__in=own.order_by().values("owner")) | Q(pk__in=shared.values("user"))


def journeys(people: Collection[User]) -> Iterator[Journey]:
    """Of each of these people, in their order: three queries, whatever their number."""
    ids = [person.pk for person in people]
    confirmed = set(EmailAddress.objects.filter(user__in=ids, verified=True).values_list("user", flat=True))
    reached = _reached(ids)
    for person in people:
        moments: Moments = (person.registered_at, person.confirmed_at, *reached.get(person.pk, _NOTHING))
        furthest = max(step for step in Step if moments[step] is not None)
        is_confirmed = furthest > Step.SIGNED_UP or person.pk in confirmed
        yield Journey(person.pk, max(furthest, Step.CONFIRMED) if is_confirmed else furthest, moments)


_Later = tuple[datetime | None, datetime | None, datetime | None]
_NOTHING: _Later = (None, None, None)


def _reached(people: Collection[int]) -> dict[int, _Later]:
    """When these subscribed, called and succeeded first, by the ids of those who did."""
    own: QuerySet[Any] = Subscription.objects.filter(owner__in=people)
    rows = own.order_by().values_list("owner").annotate(*(Min(field) for field in _FIELDS.values()))
    reached: dict[int, _Later] = {user: tuple(moments) for user, *moments in rows}
    for user, moments in _reached_in_teams(people):
        known = reached.get(user, _NOTHING)
        reached[user] = tuple(_earlier(one, other) for one, other in zip(known, moments, strict=True))  # type: ignore[assignment]
    return reached


def _reached_in_teams(people: Collection[int]) -> Iterator[tuple[int, _Later]]:
    memberships = TeamMembership.objects.filter(user__in=people, team__subscriptions__isnull=False)
    rows = (
        memberships.order_by()
        .values_list("user", "joined_at")
        .annotate(*(Min(f"team__subscriptions__{field}") for field in _FIELDS.values()))
    )
    for user, joined_at, *moments in rows:
        yield user, tuple(max(moment, joined_at) if moment is not None else None for moment in moments)  # type: ignore[misc]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one is not None and other is not None else one or other
