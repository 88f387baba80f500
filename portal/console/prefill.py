"""The console filled in with what a call was made with, as far as its record tells: no secret, and no body."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

from analytics.models import Call
from apis.models import Operation
from apis.url_templates import SegmentKind
from gateway.http.masking import MASK
from portal.console import headers
from portal.console.form import MAX_ADDED_ROWS, Form, Row, blank

PARAMETER = "call"
_MASK = MASK.decode()
_MOST_PARAMETERS = 100
# The console's own, or what makes no difference for an API.
_OF_THE_CLIENT = frozenset({"accept-encoding", "user-agent"})


def console_url(call: Call, operation_url: str) -> str:
    """The operation's page with the console filled in; empty where there is no such page."""
    return f"{operation_url}?{PARAMETER}={call.request_id}#console" if operation_url else ""


def filled_from(operation: Operation, call: Call) -> Form:
    """What cannot be told from the record stays as it is in a blank form."""
    form = blank(operation)
    path, _, query = call.url.partition("?")
    _fill_path(form, path)
    _fill_query(form, query)
    _fill_headers(form, call.request_headers or [])
    form.subscription = str(call.subscription_id) if call.subscription_id is not None else ""
    return form


def _fill_path(form: Form, path: str) -> None:
    suffix = form.operation.api.path
    pieces = path.split("/")[1 + (len(suffix.split("/")) if suffix else 0) :]
    rows = {row.name: row for row in form.template_parameters}
    for index, segment in enumerate(form.template.segments):
        if segment.kind is SegmentKind.WILDCARD:
            rows[segment.text].value = unquote("/".join(pieces[index:]))
        elif segment.kind is SegmentKind.PARAMETER and index < len(pieces):
            rows[segment.text].value = unquote(pieces[index])


def _fill_query(form: Form, query: str) -> None:
    of_template = {part.name: part for part in form.template.query}
    rows = {row.name: row for row in form.template_parameters}
    declared = {row.name: row for row in form.query}
    for row in form.query:
        row.is_on = row.is_required
    for name, value in _pairs(query):
        if name in of_template:
            if of_template[name].is_parameter:
                rows[of_template[name].value].value = value
        elif name in declared:
            row = declared.pop(name)
            row.value, row.is_on = value, True
        else:
            _add(form, Row("query", name, value, is_declared=False))


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    try:
        found = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return
    yield from ((name, value) for name, value in found if name and _MASK not in value)


def _fill_headers(form: Form, fields: list[list[str]]) -> None:
    declared = {row.name.lower(): row for row in form.headers}
    for name, value in fields:
        lower = name.lower()
        if _MASK in value or lower in _OF_THE_CLIENT or headers.looks_secret(name) or headers.wrong_name(name):
            continue
        if lower == form.operation.api.key_header_name.lower() or headers.wrong_value(value):
            continue
        if lower in declared:
            row = declared.pop(lower)
            row.value, row.is_on = value, True
        else:
            _add(form, Row("header", name, value, is_declared=False))


def _add(form: Form, row: Row) -> None:
    if form.added_rows < MAX_ADDED_ROWS:
        form.rows.append(row)
