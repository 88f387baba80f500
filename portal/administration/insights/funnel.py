"""How far those who signed up have come, and who is stuck where."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from analytics.export import Column, Format, Kind, Table, download
from analytics.funnel import Line, Step, journeys, signed_up, stuck_at
from analytics.funnel import funnel as funnel_of
from analytics.picker import Period, choose, menu
from portal.administration.insights.page import context_of, insights_page, number_in, page_of
from portal.units import PERCENT
from subscriptions.models import Subscription

STEPS = {
    Step.SIGNED_UP: gettext_lazy("Signed up"),
    Step.CONFIRMED: gettext_lazy("Confirmed the address"),
    Step.SUBSCRIBED: gettext_lazy("Has a subscription that works"),
    Step.CALLED: gettext_lazy("Called for the first time"),
    Step.SUCCEEDED: gettext_lazy("Called with success"),
}
MISSING = {
    Step.SIGNED_UP: gettext_lazy("have not confirmed the address"),
    Step.CONFIRMED: gettext_lazy("have no subscription"),
    Step.SUBSCRIBED: gettext_lazy("have never called"),
    Step.CALLED: gettext_lazy("never had success"),
}
COLUMNS = (
    Column("user_id", Kind.INTEGER),
    Column("email"),
    Column("furthest_step"),
    Column("signed_up_at", Kind.MOMENT),
    Column("confirmed_at", Kind.MOMENT),
    Column("subscribed_at", Kind.MOMENT),
    Column("first_call_at", Kind.MOMENT),
    Column("first_success_at", Kind.MOMENT),
)
_PEOPLE_AT_ONCE = 1000


@insights_page("accounts.view_user", "subscriptions.view_subscription", "analytics.view_call")
def funnel(request: HttpRequest) -> HttpResponseBase:
    choice = choose(request.GET, timezone.now(), timezone.get_current_timezone(), default=Period.MONTH)
    if request.GET.get("format") in Format:
        day = f"{choice.span.start.astimezone(choice.zone):%Y-%m-%d}"
        return download(
            Table(f"funnel-from-{day}", COLUMNS, _exported(signed_up(choice.span))), Format(request.GET["format"])
        )
    lines = funnel_of(choice.span)
    step = Step(number_in(request, "step", MISSING, _step_of_most(lines)))
    page = page_of(request, stuck_at(choice.span, step), count=lines[step].stuck)
    kept = {name: value for name, value in choice.query.items() if name != "compare"}
    context = context_of(request, _("From sign-up to the first call"), kept | {"step": str(int(step))}) | {
        "picker": menu(choice, {"step": str(int(step))}),
        "hide_comparison": True,
        "lines": [_shown(line) for line in lines],
        "chosen": step,
        "missing": MISSING[step],
        "steps": [(one, MISSING[one], lines[one].stuck) for one in MISSING],
        "page": page,
        "people": list(_people(list(page.object_list))),
    }
    return render(request, "admin/insights/funnel.html", context)


def _step_of_most(lines: Sequence[Line]) -> Step:
    """Where most people are stuck."""
    return max(MISSING, key=lambda step: lines[step].stuck)


def _shown(line: Line) -> dict[str, Any]:
    return {
        "name": STEPS[line.step],
        "people": line.people,
        "share": PERCENT.short(100 * line.share),
        "share_of_step_before": PERCENT.short(
            100 * line.share_of_step_before if line.step is not Step.SIGNED_UP else None
        ),
        # From 0 to 100, as wide as a bar is.
        "width": round(100 * line.share),
        "time": _in_words(line.median_time.total_seconds()) if line.median_time is not None else "",
    }


def _in_words(seconds: float) -> str:
    for size, words in (
        (86_400, _("%(count)s days")),
        (3600, _("%(count)s hours")),
        (60, _("%(count)s minutes")),
    ):
        if seconds >= size:
            return words % {"count": _number(seconds / size)}
    return _("%(count)s seconds") % {"count": _number(seconds)}


def _number(value: float) -> str:
    rounded = round(value, 1)
    return number_format(rounded, 0 if rounded == int(rounded) else 1)


def _people(found: Sequence[User]) -> Iterator[dict[str, Any]]:
    """With who waits for an administrator, which is no fault of theirs."""
    asked = Subscription.objects.filter(owner__in=found, state=Subscription.State.SUBMITTED)
    requests: dict[int | None, UUID] = dict(asked.order_by("-created_at").values_list("owner", "pk"))
    for person, journey in zip(found, journeys(found), strict=True):
        yield {
            "person": person,
            "since": max(moment for moment in journey.moments if moment is not None),
            "waits": person.state == User.State.PENDING and person.waiting_since is not None,
            "blocked": person.state == User.State.BLOCKED,
            "request": requests.get(person.pk),
        }


def _exported(people: QuerySet[User]) -> Iterator[list[Any]]:
    rows = people.iterator(_PEOPLE_AT_ONCE)
    while part := list(islice(rows, _PEOPLE_AT_ONCE)):
        for person, journey in zip(part, journeys(part), strict=True):
            moments: list[datetime | None] = list(journey.moments)
            yield [person.pk, person.email, journey.furthest.name.lower(), *moments]
