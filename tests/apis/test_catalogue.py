"""Rules between rows of the catalogue: unique suffixes, ambiguous operations, parameters in their place."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apis.models import API, Operation, Parameter, Representation, Response
from apis.names import free_name

pytestmark = pytest.mark.django_db


def make_api(name: str, **fields) -> API:
    return API.objects.create(
        **{"name": name, "display_name": name, "path": name, "service_url": "http://127.0.0.1:9000", **fields}
    )


@pytest.fixture
def api():
    return make_api("echo")


def operation(api: API, method: str, template: str, **fields) -> Operation:
    number = Operation.objects.count()
    return Operation(
        **{"api": api, "name": f"operation-{number}", "display_name": f"Operation {number}", **fields},
        method=method,
        url_template=template,
    )


def test_suffix_is_unique_without_regard_to_case(api):
    with pytest.raises(ValidationError, match="Another API has this URL suffix"):
        API(name="b", display_name="B", path="ECHO", service_url="http://b").full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_api("b", path="ECHO")


def test_names_are_unique_without_regard_to_case(api):
    operation(api, "GET", "/a", name="status").save()
    with pytest.raises(ValidationError, match="Another API has this name"):
        API(name="ECHO", display_name="B", path="b", service_url="http://b").full_clean()
    with pytest.raises(ValidationError, match="Another operation of the API has this name"):
        operation(api, "GET", "/b", name="Status").full_clean()
    operation(make_api("other"), "GET", "/b", name="Status").full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_api("Echo", path="b")


@pytest.mark.parametrize("name", ["subscription-key", "%73ubscription%2Dkey"])
def test_query_parameter_of_the_key_is_left_to_it(api, name):
    one = operation(api, "GET", f"/a?{name}={{k}}")
    with pytest.raises(ValidationError) as refused:
        one.full_clean()
    assert "carries the subscription key" in refused.value.message_dict["url_template"][0]
    one.save()
    with pytest.raises(ValidationError) as refused:
        api.full_clean()
    assert set(refused.value.message_dict) == {"key_query_name"}
    api.key_query_name = "Subscription-Key"
    api.full_clean()


def test_one_suffix_may_continue_another_one(api):
    API(name="b", display_name="B", path="echo/more", service_url="http://b").full_clean()


def test_unknown_scheme_is_refused_by_the_database():
    with pytest.raises(IntegrityError), transaction.atomic():
        make_api("b", scheme="ftp")


@pytest.mark.parametrize(
    ("scheme", "gateway_url", "reachable"),
    [
        ("https", "http://127.0.0.1:8080", False),
        ("both", "http://127.0.0.1:8080", True),
        ("http", "http://127.0.0.1:8080", True),
        ("https", "https://api.example.org", True),
        ("http", "https://api.example.org", False),
    ],
)
def test_api_is_reachable_where_schemes_meet(scheme, gateway_url, reachable):
    assert API(scheme=scheme).is_reachable_at(gateway_url) is reachable


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("GET", "/jobs/{id}"), ("GET", "/jobs/{jobid}"), id="parameters have other names"),
        pytest.param(("GET", "/jobs"), ("GET", "/JOBS"), id="literals have other case"),
        pytest.param(("GET", "/jobs"), ("get", "/jobs"), id="methods have other case"),
        pytest.param(("purge", "/jobs"), ("PURGE", "/jobs"), id="unusual methods have other case"),
        pytest.param(("GET", "/a?x={x}&y={y}"), ("GET", "/a?y={p}&x={q}"), id="the query has another order"),
        pytest.param(("GET", "/a/*"), ("GET", "/a/{*rest}"), id="two wildcards"),
    ],
)
def test_ambiguous_operations_are_refused(api, first, second):
    operation(api, *first).save()
    with pytest.raises(ValidationError) as refused:
        operation(api, *second).full_clean()
    assert set(refused.value.message_dict) == {"url_template"}
    assert "Ambiguous: " in refused.value.messages[0]
    assert first[1] in refused.value.messages[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("GET", "/jobs/{id}"), ("DELETE", "/jobs/{id}"), id="another method"),
        pytest.param(("GET", "/jobs/{id}"), ("GET", "/jobs/latest"), id="a literal beside a parameter"),
        pytest.param(("GET", "/jobs/{id}"), ("GET", "/jobs/{id}/lines"), id="a longer path"),
        pytest.param(("GET", "/jobs"), ("GET", "/jobs/"), id="a slash at the end"),
        pytest.param(("GET", "/jobs"), ("GET", "/jobs?v={v}"), id="a required query parameter"),
    ],
)
def test_other_operations_stand_side_by_side(api, first, second):
    operation(api, *first).save()
    operation(api, *second).full_clean()


def test_operation_is_no_twin_of_itself(api):
    one = operation(api, "GET", "/jobs")
    one.save()
    one.full_clean()


def test_moving_an_operation_to_an_api_with_its_twin_is_refused(api):
    other = make_api("other")
    operation(other, "GET", "/jobs").save()
    one = operation(api, "GET", "/jobs")
    one.full_clean()
    one.api = other
    with pytest.raises(ValidationError, match="Ambiguous"):
        one.full_clean()


def test_unreadable_stored_template_does_not_stop_the_others(api):
    Operation.objects.bulk_create([operation(api, "GET", "no slash")])
    operation(api, "GET", "/jobs").full_clean()


def test_usual_methods_are_written_in_capitals_and_others_kept(api):
    usual, unusual = operation(api, "post", "/a"), operation(api, "Purge", "/b")
    usual.full_clean()
    unusual.full_clean()
    assert (usual.method, unusual.method) == ("POST", "Purge")


@pytest.mark.parametrize(
    "template", ["", "jobs", "/a{b}", "/{a", "/a}", "/{a}/{A}", "/a b", "/a#b", "/a?b", "/" + "a" * 1000]
)
def test_malformed_template_is_refused_with_its_place(api, template):
    with pytest.raises(ValidationError) as refused:
        operation(api, "GET", template).full_clean()
    assert set(refused.value.message_dict) == {"url_template"}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        pytest.param({"location": "header", "name": "Content Type"}, "name", id="a header is a token"),
        pytest.param({"location": "header", "name": "X\r\nY"}, "name", id="no header injection"),
        pytest.param({"location": "query", "name": " a"}, "name", id="no space at the ends"),
        pytest.param({"location": "query", "name": "a\x00b"}, "name", id="no control characters"),
        pytest.param(
            {"location": "query", "name": "a", "values": ["x"], "default_value": "y"},
            "default_value",
            id="the default is one of the values",
        ),
        pytest.param({"location": "query", "name": "a", "values": "x"}, "values", id="values are a list"),
    ],
)
def test_bad_parameter_is_refused(api, fields, where):
    one = operation(api, "GET", "/a")
    one.save()
    with pytest.raises(ValidationError) as refused:
        Parameter(operation=one, **fields).full_clean()
    assert where in refused.value.message_dict


def test_database_keeps_names_of_parameters_and_content_types_apart(api):
    one = operation(api, "GET", "/a")
    one.save()
    response = Response.objects.create(operation=one)
    Parameter.objects.create(operation=one, location="query", name="a")
    Parameter.objects.create(operation=one, location="header", name="a")
    Representation.objects.create(operation=one, content_type="text/csv")
    Representation.objects.create(response=response, content_type="text/csv")
    Parameter.objects.create(response=response, location="header", name="ETag")
    for make in (
        lambda: Parameter.objects.create(operation=one, location="query", name="A"),
        lambda: Parameter.objects.create(response=response, location="header", name="etag"),
        lambda: Representation.objects.create(operation=one, content_type="TEXT/csv"),
        lambda: Representation.objects.create(response=response, content_type="text/CSV"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            make()


@pytest.mark.parametrize("status", [99, 600, 0])
def test_status_code_is_http_s(api, status):
    one = operation(api, "GET", "/a")
    one.save()
    with pytest.raises(ValidationError) as refused:
        Response(operation=one, status_code=status).full_clean()
    assert "status_code" in refused.value.message_dict


@pytest.mark.parametrize(
    ("display_name", "taken", "name"),
    [
        ("RRS Execute", [], "rrs-execute"),
        ("RRS Execute", ["rrs-execute"], "rrs-execute-2"),
        ("RRS Execute", ["RRS-Execute"], "rrs-execute-2"),
        ("RRS Execute", ["rrs-execute", "rrs-execute-2"], "rrs-execute-3"),
        ("日本語", [], "operation"),
        ("--", ["operation"], "operation-2"),
        ("x" * 300, [], "x" * 74),
    ],
)
def test_free_name(display_name, taken, name):
    assert free_name(display_name, taken=taken, fallback="operation") == name
