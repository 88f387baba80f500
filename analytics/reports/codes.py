"""How often each response code was answered: only single calls tell, so it is the latest of them that are counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Q, Sum

from analytics.call_classes import call_class
from analytics.models import Call
from analytics.periods import Span
from analytics.reports.breakdown import Groups, Line

LATEST = 100_000
_INDEXED = ("subscription_id", "api_id")


@dataclass(frozen=True, slots=True)
class Codes:
    """By response code. Where there are more than LATEST calls, those after `since`."""

    groups: Groups
    since: datetime | None


def by_code(span: Span, fields: Mapping[str, int | UUID]) -> Codes:
    """Of calls whose fields have these values; zeros stand for none.

    What an index tells of them is looked for first, so that those of one subscription or API reach far back.
    """
    indexed = next(({name: fields[name]} for name in _INDEXED if name in fields), {})
    calls = Call.objects.filter(_condition(indexed), at__gte=span.start, at__lt=span.end)
    since = calls.order_by("-at").values_list("at", flat=True)[LATEST : LATEST + 1].first()
    if since is not None:
        calls = calls.filter(at__gt=since)
    rows = calls.filter(_condition(fields)).order_by().values("response_code")
    found = rows.annotate(
        calls=Count("pk"),
        bytes=Sum(F("request_bytes") + F("response_bytes")),
        total_ms=Sum("total_ms"),
        backend_calls=Count("backend_ms"),
        backend_ms=Sum("backend_ms", default=0.0),
    )
    return Codes({row["response_code"]: _line(**row) for row in found}, since)


def _condition(fields: Mapping[str, int | UUID]) -> Q:
    condition = Q()
    for name, value in fields.items():
        condition &= Q(**{name: value}) if int(value) else Q(**{f"{name}__isnull": True})
    return condition


def _line(
    *, response_code: int, calls: int, bytes: int, total_ms: float, backend_calls: int, backend_ms: float
) -> Line:
    counts = [0, 0, 0, 0]
    counts[call_class(response_code)] = calls
    success, blocked, failed, other = counts
    return Line(
        success=success,
        blocked=blocked,
        failed=failed,
        other=other,
        bytes=int(bytes),
        total_sum=round(total_ms * 1000),
        backend_calls=backend_calls,
        backend_sum=round(backend_ms * 1000),
    )
