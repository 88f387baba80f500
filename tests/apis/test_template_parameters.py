"""A URL template and its declared parameters agree, or both are refused with what and where."""

import pytest
from django.core.exceptions import ValidationError

from apis.template_parameters import check_agreement, undeclared
from apis.url_templates import TemplateError, parse

EXECUTE = "/workspaces/{workspace}/services/{service}/execute?api-version={apiversion}&details={details}"


@pytest.mark.parametrize(
    ("template", "declared"),
    [
        pytest.param("/files", [], id="no parameter at all"),
        pytest.param(EXECUTE, ["workspace", "service", "apiversion", "details"], id="path and query"),
        pytest.param(EXECUTE, ["details", "apiversion", "service", "workspace"], id="in any order"),
        pytest.param("/user/{Id}", ["iD"], id="names are compared without case"),
        pytest.param("/files/*", [], id="a bare wildcard needs no declaration"),
        pytest.param("/files/*", ["*"], id="a bare wildcard may be declared"),
        pytest.param("/files/{*rest}", ["rest"], id="a named wildcard"),
    ],
)
def test_agreeing(template, declared):
    check_agreement(template, declared)


@pytest.mark.parametrize(
    ("template", "declared", "errors"),
    [
        pytest.param("/user/{p}", [], [("undeclared", "p", 7, None)], id="undeclared in the path"),
        pytest.param("/jobs?v={version}", [], [("undeclared", "version", 9, None)], id="undeclared in the query"),
        pytest.param("/files/{*rest}", [], [("undeclared", "rest", 8, None)], id="undeclared wildcard"),
        pytest.param("/user", ["p"], [("not_in_template", "p", None, 0)], id="not in the template"),
        pytest.param("/user/{p}", ["p", "*"], [("not_in_template", "*", None, 1)], id="a wildcard that is not there"),
        pytest.param("/user/{p}", ["p", "P"], [("declared_twice", "P", None, 1)], id="declared twice"),
        pytest.param(
            "/a/{x}/{y}",
            ["x", "z"],
            [("undeclared", "y", 8, None), ("not_in_template", "z", None, 1)],
            id="every disagreement is told",
        ),
    ],
)
def test_disagreeing(template, declared, errors):
    with pytest.raises(ValidationError) as refused:
        check_agreement(template, declared)
    told = [
        (e.code, e.params["name"], e.params.get("character"), e.params.get("index")) for e in refused.value.error_list
    ]
    assert told == errors
    assert all(name in message for message, (_, name, _, _) in zip(refused.value.messages, errors, strict=True))


def test_malformed_template_is_told_apart():
    with pytest.raises(TemplateError):
        check_agreement("/a/{", [])


def test_undeclared_names_come_in_the_template_s_order():
    assert undeclared(parse(EXECUTE), ["SERVICE"]) == ["workspace", "apiversion", "details"]
