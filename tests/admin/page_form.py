"""Fills in and sends the forms of pages as a browser without scripts does."""

from html.parser import HTMLParser

from django.http import HttpResponse
from django.test import Client


class _Fields(HTMLParser):
    """The fields of one form, with what a browser would send for them."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.inside = False
        self.values: dict[str, list[str]] = {}
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.inside = attributes.get("id") == self.form_id
        name = attributes.get("name")
        if not self.inside:
            return
        if tag == "input" and name and "disabled" not in attributes:
            self._take_input(name, attributes)
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and "selected" in attributes:
            self.values.setdefault(self._select, []).append(attributes.get("value") or "")
        elif tag == "textarea" and name:
            self._textarea = name
            self.values[name] = [""]

    def _take_input(self, name: str, attributes: dict[str, str | None]) -> None:
        kind = attributes.get("type", "text")
        if kind in ("checkbox", "radio") and "checked" not in attributes:
            return
        if kind != "submit":
            value = attributes.get("value", "on" if kind == "checkbox" else "")
            self.values.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            # The parser of HTML drops the line break that follows the tag.
            if self._textarea:
                self.values[self._textarea] = [self.values[self._textarea][0].removeprefix("\n")]
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea][0] += data


def fields_of(page: HttpResponse, form_id: str) -> dict[str, list[str]]:
    parser = _Fields(form_id)
    parser.feed(page.content.decode())
    assert parser.values, f"no form {form_id} on the page"
    return parser.values


def submit(client: Client, url: str, form_id: str, /, *, button: str = "_save", **changes) -> HttpResponse:
    """Open the page, change fields (None takes one away), press the button."""
    page = client.get(url)
    assert page.status_code == 200, page
    values: dict[str, object] = dict(fields_of(page, form_id))
    for name, value in changes.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    return client.post(url, {**values, button: "1"})


def rows(prefix: str, *new: dict[str, object], start: int = 0) -> dict[str, object]:
    """What a browser sends for rows that were added to a list of rows."""
    values: dict[str, object] = {f"{prefix}-TOTAL_FORMS": start + len(new)}
    for number, fields in enumerate(new, start):
        values.update({f"{prefix}-{number}-{name}": value for name, value in fields.items()})
    return values


def responses(*new: dict[str, object]) -> dict[str, object]:
    """Rows of responses; `headers` and `representations` of each are rows within it."""
    values: dict[str, object] = {"responses-TOTAL_FORMS": len(new)}
    for number, fields in enumerate(new):
        for part in ("headers", "representations"):
            prefix = f"responses-{number}-{part}"
            values |= {f"{prefix}-INITIAL_FORMS": 0, **rows(prefix, *fields.pop(part, []))}
        values |= {f"responses-{number}-{name}": value for name, value in fields.items()}
    return values


def errors_of(response: HttpResponse) -> str:
    """Everything that the page says is wrong."""
    assert response.status_code == 200, response
    form = response.context["adminform"].form
    found = [str(form.errors)]
    for inline in response.context["inline_admin_formsets"]:
        formset = inline.formset
        found += [str(formset.errors), str(formset.non_form_errors())]
        for row in formset.forms:
            for nested in getattr(row, "nested_formsets", []):
                found += [str(nested.formset.errors), str(nested.formset.non_form_errors())]
    return " ".join(found)
