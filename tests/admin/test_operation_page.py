"""Adding and changing an operation in the administration."""

import pytest
from django.urls import reverse

from apis.models import API, Operation, Parameter
from tests.admin.page_form import errors_of, fields_of, responses, rows, submit

ADD = "/admin/apis/operation/add/"
WORKSPACE = "/workspaces/{workspace}/services/{service}"
# The five operations of the classic article on AzureML web services.
FIVE = [
    ("RRS Execute", "POST", WORKSPACE + "/execute?api-version={apiversion}&details={details}"),
    ("BES Submit", "POST", WORKSPACE + "/jobs?api-version={apiversion}"),
    ("BES Start", "POST", WORKSPACE + "/jobs/{jobid}/start?api-version={apiversion}"),
    ("BES Status", "GET", WORKSPACE + "/jobs/{jobid}?api-version={apiversion}"),
    ("BES Delete", "DELETE", WORKSPACE + "/jobs/{jobid}?api-version={apiversion}"),
]


def parameter(name: str, **fields) -> dict[str, object]:
    return {"name": name, "type": "string", **fields}


def declared(*names: str) -> dict[str, object]:
    return rows("template_parameters", *(parameter(name) for name in names))


def add(admin, api: API, method: str, template: str, *, button: str = "_save", **values):
    fields = {"display_name": "A", "method": method, "url_template": template, **values}
    return submit(admin, f"{ADD}?api={api.pk}", "operation_form", button=button, **fields)


def change(operation: Operation) -> str:
    return reverse("admin:apis_operation_change", args=[operation.pk])


def test_the_five_operations_are_added_through_the_page(admin, api):
    for display_name, method, template in FIVE:
        names = Operation(url_template=template).template.parameters
        response = add(
            admin,
            api,
            method,
            template,
            display_name=display_name,
            **declared(*names),
            **responses({"status_code": 200, "description": "OK"}),
        )
        assert response.status_code == 302, errors_of(response)
    made = api.operations.order_by("pk")
    assert [(one.display_name, one.method, one.url_template) for one in made] == FIVE
    assert [one.name for one in made] == ["rrs-execute", "bes-submit", "bes-start", "bes-status", "bes-delete"]
    execute = made[0]
    assert [p.name for p in execute.parameters.all()] == ["workspace", "service", "apiversion", "details"]
    assert all(p.required and p.location == "template" for p in execute.parameters.all())
    assert execute.responses.get().status_code == 200


def test_everything_of_an_operation_is_kept(admin, api):
    response = add(
        admin,
        api,
        "POST",
        "/score?v={version}",
        **rows(
            "template_parameters",
            parameter("version", default_value="2.0", values="1.0\r\n 2.0 \r\n\r\n", description="Of the API"),
        ),
        **rows("query_parameters", parameter("trace", type="boolean", required="on", example="true")),
        **rows("headers", parameter("Authorization", required="on")),
        **rows("representations", {"content_type": "application/json", "example": '{"a": 1}'}),
        **responses(
            {
                "status_code": 200,
                "description": "OK",
                "headers": [parameter("ETag", description="Changes with the model")],
                "representations": [{"content_type": "text/csv", "example": "1,2"}],
            },
            {"status_code": 400, "representations": [{"content_type": "application/json", "example": "{}"}]},
        ),
    )
    assert response.status_code == 302, errors_of(response)
    one = api.operations.get()
    version = one.parameters.get(location="template")
    assert (version.default_value, version.values, version.description) == ("2.0", ["1.0", "2.0"], "Of the API")
    assert one.parameters.get(location="query").type == "boolean"
    assert one.parameters.get(location="header").name == "Authorization"
    assert one.representations.get().example == '{"a": 1}'
    ok, bad = one.responses.order_by("status_code")
    assert (ok.headers.get().name, ok.headers.get().location) == ("ETag", "header")
    assert (ok.representations.get().content_type, bad.representations.get().content_type) == (
        "text/csv",
        "application/json",
    )


def test_page_that_is_saved_unchanged_changes_nothing(admin, api):
    test_everything_of_an_operation_is_kept(admin, api)
    before = list(Parameter.objects.values()), list(api.operations.values())
    response = submit(admin, change(api.operations.get()), "operation_form")
    assert response.status_code == 302, errors_of(response)
    assert (list(Parameter.objects.values()), list(api.operations.values())) == before


def test_row_of_a_response_is_changed_and_deleted(admin, api):
    test_everything_of_an_operation_is_kept(admin, api)
    one = api.operations.get()
    response = submit(
        admin,
        change(one),
        "operation_form",
        **{"responses-0-headers-0-name": "X-Model", "responses-1-DELETE": "on"},
    )
    assert response.status_code == 302, errors_of(response)
    assert one.responses.get().headers.get().name == "X-Model"


@pytest.mark.parametrize("method", ["GET", "get", "M-SEARCH", "PURGE", "x!#$%&'*+-.^_`|~"])
def test_any_token_is_a_verb(admin, api, method):
    assert add(admin, api, method, "/a").status_code == 302
    assert api.operations.get().method in (method, method.upper())


def test_usual_verbs_are_offered(admin, api):
    page = admin.get(ADD).content.decode()
    assert '<option value="PATCH"></option>' in page


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("method", "GE T", "Only letters, digits"),
        ("method", "", "required"),
        ("method", "X" * 41, "at most 40 characters"),
        ("method", "trace", "refuses every TRACE"),
        ("url_template", "jobs", "begins with a slash (at character 1)"),
        ("url_template", "/jobs/{id", "neither plain text nor one parameter"),
        ("url_template", "/jobs/{id}/{ID}", "used twice (at character 13)"),
        ("url_template", "/a?b", "not of the form name={parameter} (at character 4)"),
        ("url_template", "/a#b", "no fragment"),
        ("url_template", "/" + "a" * 1000, "at most 1000 characters"),
        ("url_template", "/a?subscription-key={k}", "carries the subscription key"),
        ("url_template", "/*/a", "only be the last segment"),
        ("api", "", "required"),
        ("api", "999", "not one of the available choices"),
        ("display_name", "", "required"),
        ("name", "a b", "valid “slug”"),
    ],
)
def test_bad_value_is_refused_beside_its_field(admin, api, field, value, message):
    values = {"display_name": "A", "method": "GET", "url_template": "/a", field: value}
    response = submit(admin, f"{ADD}?api={api.pk}", "operation_form", **values)
    assert field in response.context["adminform"].form.errors
    assert message in errors_of(response)
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "This field is required."),
        ("/a\0", "Null characters are not allowed."),
        ("/" + "a" * 1000, "Ensure this value has at most 1000 characters (it has 1001)."),
        ("a", "A URL template begins with a slash (at character 1)"),
    ],
    ids=ascii,
)
def test_bad_template_is_refused_once(admin, api, operation, template, message):
    for url in (f"{ADD}?api={api.pk}", change(operation)):
        response = submit(admin, url, "operation_form", display_name="A", method="GET", url_template=template)
        assert response.context["adminform"].form.errors == {"url_template": [message]}


def test_bad_template_is_not_called_ambiguous_too(admin, api, operation):
    Operation.objects.create(api=api, name="p", display_name="P", method="PUT", url_template="/status")
    response = submit(admin, change(operation), "operation_form", method="PUT", url_template="")
    assert response.context["adminform"].form.errors == {"url_template": ["This field is required."]}


@pytest.mark.parametrize(
    ("template", "names", "message"),
    [
        ("/user/{p}", [], "The template names {p} (at character 7), which is not declared."),
        ("/user?v={v}", [], "The template names {v} (at character 9), which is not declared."),
        ("/user", ["p"], "The template has no parameter {p}."),
        ("/user/{p}", ["p", "P"], "{P} is declared twice."),
        ("/user/{p}", ["q"], "The template has no parameter {q}."),
    ],
)
def test_template_and_parameters_must_agree(admin, api, template, names, message):
    response = add(admin, api, "GET", template, **declared(*names))
    assert message in errors_of(response)
    assert message in response.content.decode()
    assert not Operation.objects.exists()


def test_names_are_compared_without_case(admin, api):
    assert add(admin, api, "GET", "/user/{Id}", **declared("iD")).status_code == 302


def test_changed_template_must_agree_with_the_rows_that_are_there(admin, api):
    add(admin, api, "GET", "/user/{id}", **declared("id"))
    one = api.operations.get()
    response = submit(admin, change(one), "operation_form", url_template="/user/{name}")
    assert "{name}" in errors_of(response)
    assert "no parameter {id}" in errors_of(response)
    response = submit(
        admin, change(one), "operation_form", url_template="/user/{name}", **{"template_parameters-0-name": "name"}
    )
    assert response.status_code == 302
    assert one.parameters.get().name == "name"


def test_deleted_row_does_not_count_as_declared(admin, api):
    add(admin, api, "GET", "/user/{id}", **declared("id"))
    one = api.operations.get()
    response = submit(admin, change(one), "operation_form", **{"template_parameters-0-DELETE": "on"})
    assert "{id}" in errors_of(response)
    response = submit(
        admin, change(one), "operation_form", url_template="/user", **{"template_parameters-0-DELETE": "on"}
    )
    assert response.status_code == 302
    assert not one.parameters.exists()


def test_ambiguous_template_is_refused_with_its_twin(admin, api):
    add(admin, api, "GET", "/jobs/{id}", display_name="Status", **declared("id"))
    response = add(admin, api, "get", "/JOBS/{jobid}", display_name="B", **declared("jobid"))
    assert "Ambiguous: GET /jobs/{id} (Status) would match the same calls." in errors_of(response)
    assert api.operations.count() == 1


def test_operation_moved_to_an_api_with_its_twin_is_refused(admin, api, operation):
    other = API.objects.create(name="b", display_name="B", path="b", service_url="http://b")
    Operation.objects.create(api=other, name="s", display_name="S", method="GET", url_template="/status")
    response = submit(admin, change(operation), "operation_form", api=other.pk)
    assert "Ambiguous" in errors_of(response)


@pytest.mark.parametrize(
    ("prefix", "fields", "message"),
    [
        ("query_parameters", [parameter("a"), parameter("A")], "there twice"),
        ("headers", [parameter("X-A"), parameter("x-a")], "there twice"),
        ("headers", [parameter("X A")], "Only letters, digits"),
        ("headers", [parameter("X\r\nY: z")], "Only letters, digits"),
        ("query_parameters", [parameter("a", values="1\n1")], "there twice"),
        ("query_parameters", [parameter("a", values="\n".join(map(str, range(501))))], "at most 500 values"),
        ("query_parameters", [parameter("a", values="1\n2", default_value="3")], "not one of the values"),
        ("query_parameters", [parameter("x" * 201)], "at most 200 characters"),
        ("representations", [{"content_type": "json", "example": ""}], "Give a type such as"),
        (
            "representations",
            [{"content_type": "text/csv", "example": "1"}, {"content_type": "TEXT/CSV", "example": "2"}],
            "there twice",
        ),
    ],
)
def test_bad_row_is_refused(admin, api, prefix, fields, message):
    response = add(admin, api, "GET", "/a", **rows(prefix, *fields))
    assert message in errors_of(response)
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"status_code": 99}], "greater than or equal to 100"),
        ([{"status_code": 600}], "less than or equal to 599"),
        ([{"status_code": 200}, {"status_code": 200}], "correct the duplicate data for status_code"),
        ([{"status_code": 200, "headers": [parameter("X"), parameter("x")]}], "there twice"),
        ([{"status_code": 200, "representations": [{"content_type": "x"}]}], "Give a type such as"),
    ],
)
def test_bad_response_is_refused(admin, api, answers, message):
    response = add(admin, api, "GET", "/a", **responses(*answers))
    assert message in errors_of(response)
    assert not Operation.objects.exists()


def test_parameters_are_taken_from_the_template_without_scripts(admin, api):
    response = add(admin, api, "GET", "/a/{x}?v={y}", button="_take_parameters", **declared("Y"))
    fields = fields_of(response, "operation_form")
    assert [fields[f"template_parameters-{row}-name"] for row in (0, 1)] == [["Y"], ["x"]]
    assert "Look at them below, then save." in response.content.decode()
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"template_parameters-TOTAL_FORMS": "x"},
        {"template_parameters-TOTAL_FORMS": "-1"},
        {"template_parameters-TOTAL_FORMS": "999999999"},
        {"template_parameters-TOTAL_FORMS": None},
        {"url_template": "/{a"},
        {"url_template": None},
        {"url_template": "/" + "/".join(f"{{p{n}}}" for n in range(64))},
    ],
    ids=str,
)
def test_taking_parameters_survives_any_form(admin, api, changes):
    values = {"display_name": "A", **changes}
    template = values.pop("url_template", "/a/{x}")
    response = add(admin, api, "GET", template, button="_take_parameters", **values)
    assert response.status_code == 200
    assert not Operation.objects.exists()


def test_saving_leads_back_to_the_api_and_another_one_keeps_it(admin, api):
    response = add(admin, api, "GET", "/a")
    assert response.headers["Location"] == reverse("admin:apis_api_change", args=[api.pk])
    response = add(admin, api, "GET", "/b", display_name="B", button="_addanother")
    assert response.headers["Location"] == f"{ADD}?api={api.pk}"


def test_request_url_is_shown(admin, operation):
    page = admin.get(change(operation)).content.decode()
    assert "https://127.0.0.1:8080/azureml-demo/status" in page


def test_text_of_a_publisher_is_shown_as_text(admin, operation):
    hostile = "</textarea><script>alert(1)</script>"
    Operation.objects.update(display_name=hostile, description=hostile, url_template="/<script>")
    assert "<script>alert" not in admin.get(change(operation)).content.decode()
    assert "/<script>" not in admin.get("/admin/apis/operation/").content.decode()
