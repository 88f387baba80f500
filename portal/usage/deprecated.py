"""What of a person's calls went to deprecated APIs and operations, whose callers have to change over."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts.models import User
from apis.models import API, Operation
from portal.deprecation import Notice, notices
from portal.usage.own import Own, readable_apis
from portal.usage.summary import Summary

MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Line:
    """`operation` is None where the whole API is deprecated."""

    api: API
    operation: Operation | None
    calls: int
    notice: Notice

    @property
    def name(self) -> str:
        return f"{self.api.display_name}: {self.operation.display_name}" if self.operation else self.api.display_name


def deprecated_calls(user: User, own: Own, summary: Summary) -> Sequence[Line]:
    """Of what was called most, as far as the person may read its name; three queries at most, and usually one."""
    called = {pk: total.calls for pk, total in summary.by_api if pk}
    of_operations = {pk: total.calls for (_api, pk), total in summary.by_operation if pk}
    is_marked = Q(deprecated_at__isnull=False)
    marked = is_marked | Q(operations__deprecated_at__isnull=False)
    found = set(API.objects.filter(marked, pk__in=called).values_list("pk", flat=True))
    if not found:
        return []
    apis = readable_apis(user, own, found)
    rows: list[tuple[API, Operation | None, int]] = [
        (api, None, called[pk]) for pk, api in apis.items() if api.deprecation is not None
    ]
    operations = Operation.objects.filter(is_marked, pk__in=of_operations, api__in=apis).select_related("api")
    rows += [(one.api, one, of_operations[one.pk]) for one in operations if one.api.deprecation is None]
    rows = sorted(rows, key=lambda row: -row[2])[:MOST_LINES]
    told = notices(user, [(operation or api).deprecation for api, operation, _calls in rows])  # type: ignore[misc]
    return [Line(api, operation, calls, notice) for (api, operation, calls), notice in zip(rows, told, strict=True)]
