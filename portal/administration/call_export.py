"""Single calls as a file. It is an administrative act, which the audit log notes: it holds what people did."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from analytics.export import Column, Format, Kind, Table, download
from analytics.models import Call
from audit.models import Entry
from portal.administration.call_query import CallQuery, Row, query_of, rows_of
from portal.administration.model_admin import ModelAdmin
from service.models import current

MOST_ROWS = 100_000
BATCH_ROWS = 2000
NAMED = ("api", "operation", "product", "subscription", "user")
COLUMNS = (
    Column("at", Kind.MOMENT),
    Column("request_id"),
    Column("gateway"),
    Column("api_id", Kind.INTEGER),
    Column("api"),
    Column("operation_id", Kind.INTEGER),
    Column("operation"),
    Column("product_id", Kind.INTEGER),
    Column("product"),
    Column("subscription_id"),
    Column("subscription"),
    Column("user_id", Kind.INTEGER),
    Column("user"),
    Column("method"),
    Column("url"),
    Column("caller_address"),
    Column("response_code", Kind.INTEGER),
    Column("backend_code", Kind.INTEGER),
    Column("total_ms", Kind.REAL),
    Column("backend_ms", Kind.REAL),
    Column("request_bytes", Kind.INTEGER),
    Column("response_bytes", Kind.INTEGER),
    Column("error_source"),
    Column("error_reason"),
    Column("cause", Kind.DOCUMENT),
    Column("country"),
    Column("region"),
    Column("key_prefix"),
    Column("request_headers", Kind.DOCUMENT),
)


@require_POST
def export_view(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponseBase:
    """POST, as it leaves an entry in the audit log."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    query = query_of(request, request.POST.dict())
    if request.POST.get("format") not in Format or query.search.problems or query.choice.problems:
        return redirect(f"{reverse('admin:analytics_call_changelist')}?{query.string()}")
    format = Format(request.POST["format"])
    table = table_of(query)
    service = current()
    if service is not None:
        Entry.objects.note(service, f"Exported calls as {format.label}: {query.string()}"[:500])
    return download(table, format)


def table_of(query: CallQuery) -> Table:
    is_cut = query.search.calls.order_by()[MOST_ROWS : MOST_ROWS + 1].exists()
    name = f"calls-{timezone.localtime():%Y-%m-%d-%H%M}"
    return Table(name, COLUMNS, islice(_rows(query), MOST_ROWS), MOST_ROWS if is_cut else None)


def _rows(query: CallQuery) -> Iterator[list[Any]]:
    for calls in query.search.each(batch=BATCH_ROWS):
        yield from map(_values, rows_of(calls, query.seen(*NAMED)))


def _values(row: Row) -> list[Any]:
    return [_value(row.call, row.names, column.name) for column in COLUMNS]


def _value(call: Call, names: Mapping[str, Any], column: str) -> Any:
    if column in ("api", "operation", "product", "subscription"):
        return names[column].text if column in names else None
    if column == "user":
        return names[column].note if column in names else None
    return getattr(call, column)
