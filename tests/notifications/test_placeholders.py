"""The language of templates: parameters, and parts that are left out."""

import pytest

from notifications.placeholders import MAX_TAGS, TemplateError, UnknownParameter, check, fill

VALUES = {"name": "Alice", "empty": "", "tricky": "{{ name }} {{#name}}"}


@pytest.mark.parametrize(
    ("source", "filled"),
    [
        pytest.param("Dear {{ name }},", "Dear Alice,", id="parameter"),
        pytest.param("{{name}}{{  name  }}", "AliceAlice", id="with and without spaces"),
        pytest.param("{{#name}}Dear {{ name }}{{/name}}!", "Dear Alice!", id="part that is shown"),
        pytest.param("a{{#empty}}b{{ name }}{{/empty}}c", "ac", id="part that is left out"),
        pytest.param("{{#empty}}a{{#name}}b{{/name}}c{{/empty}}d", "d", id="part in a part that is left out"),
        pytest.param("{{#name}}a{{#empty}}b{{/empty}}c{{/name}}", "ac", id="part that is left out in a part"),
        pytest.param("{{#empty}}a{{#empty}}b{{/empty}}c{{/empty}}d", "d", id="the same part twice"),
        pytest.param("{{ tricky }}", "{{ name }} {{#name}}", id="a value is no template"),
        pytest.param("{{ missing }}.", ".", id="no value"),
        pytest.param("{ name } }} 100 %", "{ name } }} 100 %", id="no tag"),
    ],
)
def test_filled(source, filled):
    assert fill(source, VALUES) == filled


@pytest.mark.parametrize(
    ("source", "error", "line"),
    [
        pytest.param("a\n\n{{ password }}", UnknownParameter, 3, id="unknown parameter"),
        pytest.param("a\n{{#name}}b", TemplateError, 2, id="no end"),
        pytest.param("{{/name}}", TemplateError, 1, id="no beginning"),
        pytest.param("{{#name}}\n{{#empty}}{{/name}}{{/empty}}", TemplateError, 2, id="crossed"),
        pytest.param("{{ name.__class__ }}", TemplateError, 1, id="attribute"),
        pytest.param("ok\n{{ name|safe }}", TemplateError, 2, id="filter"),
        pytest.param("{{ name", TemplateError, 1, id="not closed"),
        pytest.param("name }}", TemplateError, 1, id="not opened"),
        pytest.param("{{ name }}\n" * (MAX_TAGS + 1), TemplateError, MAX_TAGS + 1, id="too many"),
    ],
)
def test_refused_with_its_line(source, error, line):
    with pytest.raises(error) as caught:
        check(source, VALUES)
    assert caught.value.line == line


def test_text_without_a_fault_is_taken():
    check("Dear {{ name }},{{#empty}} {{ tricky }}{{/empty}} 50 % {off}", VALUES)
