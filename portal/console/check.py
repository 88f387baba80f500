"""What of a form cannot be sent, said at the field that it is about."""

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.console import headers, url
from portal.console.form import MAX_ADDED_ROWS, Form, Row

MAX_NAME_CHARACTERS = 256
MAX_VALUE_CHARACTERS = 16_384


def check(form: Form) -> None:
    """Put an error on the form and on each of its rows that cannot be sent."""
    if form.added_rows > MAX_ADDED_ROWS:
        form.error = _("At most %(limit)s parameters and headers can be added.") % {"limit": MAX_ADDED_ROWS}
    in_path = frozenset(form.template.path_parameters)
    for row in form.rows:
        row.name_error = _wrong_name(row)
        row.error = _wrong_value(row, is_in_path=row.location == "template" and row.name in in_path)
        if row.is_declared and row.name_error:
            # Its name is no field that the user could change.
            row.error, row.name_error = row.name_error, ""
    form.body_error = _wrong_body(form)


def _wrong_name(row: Row) -> str:
    if not row.name and row.value:
        return _("Enter a name, or empty the value.")
    if not row.is_sent:
        return ""
    if len(row.name) > MAX_NAME_CHARACTERS:
        return _("A name has at most %(limit)s characters.") % {"limit": MAX_NAME_CHARACTERS}
    return headers.wrong_name(row.name) if row.location == "header" else ""


def _wrong_value(row: Row, *, is_in_path: bool) -> str:
    if not row.is_sent:
        return ""
    if row.is_required and not row.value:
        return _("Enter a value: it is required.")
    if len(row.value) > MAX_VALUE_CHARACTERS:
        return _("A value has at most %(limit)s characters.") % {
            "limit": number_format(MAX_VALUE_CHARACTERS, force_grouping=True)
        }
    if is_in_path:
        return url.wrong_path_value(row.value)
    return headers.wrong_value(row.value) if row.location == "header" else ""


def _wrong_body(form: Form) -> str:
    limit: int = settings.CONSOLE_REQUEST_LIMIT_BYTES
    if form.body_kind == "file":
        if form.file is None:
            return _("Choose a file, or switch back to text.")
        size = form.file.size or 0
    else:
        size = len(form.body.encode())
    return (
        _("The body has %(size)s bytes; the console sends at most %(limit)s.")
        % {"size": number_format(size, force_grouping=True), "limit": number_format(limit, force_grouping=True)}
        if size > limit
        else ""
    )
