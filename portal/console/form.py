"""What the console's form holds: read from an operation, or from what a user sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from apis.models import Operation, Parameter
from apis.url_templates import URLTemplate
from portal.console import headers, url
from portal.console.call import Call

MAX_ADDED_ROWS = 40

Location: TypeAlias = Literal["template", "query", "header"]
# The gateway decides what an API's methods mean; these usually have no body, so its field waits behind a click.
METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})


@dataclass(slots=True)
class Row:
    """A parameter or header. `name_error` is about an added row's name, `error` about the value."""

    location: Location
    name: str
    value: str = ""
    is_declared: bool = True
    is_required: bool = False
    is_on: bool = True
    type: str = ""
    description: str = ""
    values: tuple[str, ...] = ()
    error: str = ""
    name_error: str = ""

    @property
    def key(self) -> str:
        """The name of its field in the form."""
        return f"{self.location}:{self.name}" if self.is_declared else f"added-{self.location}-value"

    @property
    def is_secret(self) -> bool:
        return headers.looks_secret(self.name)

    @property
    def choices(self) -> tuple[str, ...]:
        """What the field offers, its present value among it; empty for a text field."""
        if not self.values:
            return ()
        offered = self.values if self.is_required else ("", *self.values)
        return offered if self.value in offered else (self.value, *offered)

    @property
    def is_sent(self) -> bool:
        """An optional parameter without a value is left out; an added one is sent as it stands."""
        if self.is_declared:
            return self.is_required or (self.is_on and self.value != "")
        return self.is_on and self.name != ""

    @property
    def has_error(self) -> bool:
        return bool(self.error or self.name_error)


@dataclass(frozen=True, slots=True)
class Example:
    """A content type that the operation takes, and an example of it."""

    content_type: str
    text: str


@dataclass(slots=True)
class Form:
    operation: Operation
    template: URLTemplate
    rows: list[Row]
    examples: tuple[Example, ...] = ()
    example: int = 0
    body: str = ""
    body_kind: Literal["text", "file"] = "text"
    file: "UploadedFile[Any] | None" = None
    body_error: str = ""
    subscription: str = ""
    subscription_error: str = ""
    wants_trace: bool = False
    error: str = ""

    @property
    def template_parameters(self) -> list[Row]:
        """Those of the URL template, in its path or its query."""
        return [row for row in self.rows if row.location == "template"]

    @property
    def query(self) -> list[Row]:
        return [row for row in self.rows if row.location == "query"]

    @property
    def headers(self) -> list[Row]:
        return [row for row in self.rows if row.location == "header"]

    @property
    def added_rows(self) -> int:
        return sum(not row.is_declared for row in self.rows)

    @property
    def has_body(self) -> bool:
        return self.file is not None if self.body_kind == "file" else self.body != ""

    @property
    def expects_body(self) -> bool:
        return bool(self.examples) or self.operation.method not in METHODS_WITHOUT_BODY

    @property
    def errors(self) -> Iterator[str]:
        yield from filter(None, (self.error, self.subscription_error, self.body_error))
        for row in self.rows:
            yield from filter(None, (row.name_error, row.error))

    @property
    def is_valid(self) -> bool:
        return not any(self.errors)


def blank(operation: Operation) -> Form:
    """The form with the operation's defaults and examples filled in."""
    template = operation.template
    examples = tuple(Example(row.content_type, row.example) for row in operation.representations.all())
    form = Form(
        operation=operation,
        template=template,
        rows=list(_declared_rows(operation, template)),
        examples=examples,
        body=examples[0].text if examples else "",
    )
    _add_content_type(form)
    return form


def _declared_rows(operation: Operation, template: URLTemplate) -> Iterator[Row]:
    parameters = list(operation.parameters.all())
    of_template = {row.name.lower(): row for row in parameters if row.location == Parameter.Location.TEMPLATE}
    for name in template.parameters:
        declared = of_template.get(name.lower()) or Parameter(name=name, location=Parameter.Location.TEMPLATE)
        row = _row("template", declared, required=name not in template.wildcards)
        row.name, row.is_on = name, True
        yield row
    # What the template holds is not sent twice, and the key has a place of its own.
    query_names = {part.name for part in template.query} | {operation.api.key_query_name}
    key_header = operation.api.key_header_name.lower()
    for parameter in parameters:
        if parameter.location == Parameter.Location.QUERY and parameter.name not in query_names:
            yield _row("query", parameter, required=parameter.required)
        elif parameter.location == Parameter.Location.HEADER and parameter.name.lower() != key_header:
            yield _row("header", parameter, required=parameter.required)


def _row(location: Location, parameter: Parameter, *, required: bool) -> Row:
    values = tuple(parameter.values) or (("true", "false") if parameter.type.lower() in ("boolean", "bool") else ())
    return Row(
        location=location,
        name=parameter.name,
        value=parameter.suggested_value,
        is_required=required,
        is_on=required or parameter.suggested_value != "",
        type=parameter.type,
        description=parameter.description,
        values=values,
    )


def _add_content_type(form: Form) -> None:
    """The header says which of the operation's representations the body is."""
    if not form.examples:
        return
    row = next((row for row in form.headers if row.name.lower() == "content-type"), None)
    if row is None:
        row = Row("header", "Content-Type", type="string")
        form.rows.append(row)
    if not row.value:
        row.value = form.examples[0].content_type
    row.is_on = True
    form.example = next((i for i, it in enumerate(form.examples) if it.content_type == row.value), 0)
    form.body = form.examples[form.example].text


def filled(operation: Operation, data: QueryDict, files: "MultiValueDict[str, UploadedFile[Any]]") -> Form:
    """The form as a user sent it, its errors not yet looked for."""
    form = blank(operation)
    switched_on = frozenset(data.getlist("on"))
    for row in form.rows:
        row.value = data.get(row.key, row.value)
        row.is_on = row.is_required or row.location == "template" or row.key in switched_on
    form.rows += _added_rows("query", data) + _added_rows("header", data)
    form.example = _index(data.get("example", ""), form.examples)
    form.body_kind = "file" if data.get("body-kind") == "file" else "text"
    form.file = files.get("file")
    form.subscription = data.get("subscription", "")
    form.wants_trace = "trace" in data
    # A browser sends each line break of a text field as CR LF; only multipart bodies want that (RFC 2046, 5.1.1).
    body = data.get("body", "")
    form.body = body if _content_type(form).startswith("multipart/") else body.replace("\r\n", "\n")
    return form


def _added_rows(location: Location, data: QueryDict) -> list[Row]:
    names = data.getlist(f"added-{location}-name")
    values = data.getlist(f"added-{location}-value")
    return [Row(location, name.strip(), value, is_declared=False) for name, value in zip(names, values, strict=False)]


def _index(text: str, examples: Sequence[Example]) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 and int(text) < len(examples) else 0


def _content_type(form: Form) -> str:
    return next((row.value.lower() for row in form.headers if row.name.lower() == "content-type"), "")


def add_row(form: Form, location: Location) -> None:
    """One more empty row, for browsers without JavaScript."""
    if form.added_rows < MAX_ADDED_ROWS:
        form.rows.append(Row(location, "", is_declared=False))


def reset_body(form: Form) -> None:
    """Put the chosen example and its content type back."""
    if form.examples:
        chosen = form.examples[form.example]
        form.body, form.body_kind = chosen.text, "text"
        for row in form.headers:
            if row.is_declared and row.name.lower() == "content-type":
                row.value = chosen.content_type


def call(form: Form, api_path: str) -> Call:
    """The call that a valid form asks for."""
    values = {row.name: row.value for row in form.template_parameters}
    query = [(row.name, row.value) for row in form.query if row.is_sent]
    prefix = f"/{api_path}" if api_path else ""
    return Call(
        method=form.operation.method,
        target=prefix + url.target(form.template, values, query),
        headers=tuple((row.name, row.value.strip(" \t")) for row in form.headers if row.is_sent),
        body=_body(form),
    )


def _body(form: Form) -> bytes | None:
    if not form.has_body:
        return None
    if form.body_kind == "file" and form.file is not None:
        form.file.seek(0)
        return bytes(form.file.read())
    return form.body.encode()
