"""Adding and changing an API in the administration."""

import pytest
from django.urls import reverse

from apis.models import API
from backends.models import Backend
from subscriptions import lifecycle
from subscriptions.models import Product
from tests.admin.page_form import errors_of, submit

ADD = "/admin/apis/api/add/"
NEW = {
    "display_name": "AzureML Demo API",
    "service_url": "https://ussouthcentral.services.azureml.net",
    "path": "azureml-demo",
    "scheme": "https",
}


def change(api: API) -> str:
    return reverse("admin:apis_api_change", args=[api.pk])


def test_api_is_added_with_its_product(admin, starter):
    response = submit(admin, ADD, "api_form", **NEW, products=[starter.pk])
    api = API.objects.get()
    assert response.status_code == 302
    assert (api.name, api.path, api.scheme) == ("azureml-demo-api", "azureml-demo", "https")
    assert list(api.products.all()) == [starter]


def test_scheme_that_works_at_once_is_offered(admin, settings):
    assert admin.get(ADD).context["adminform"].form.initial["scheme"] == "http"
    settings.GATEWAY_URL = "https://api.example.org"
    assert admin.get(ADD).context["adminform"].form.initial["scheme"] == "https"


def test_page_shows_the_url_and_warns_where_the_scheme_shuts_callers_out(admin, api):
    page = admin.get(change(api)).content.decode()
    assert "<span>https://127.0.0.1:8080/azureml-demo</span>" in page
    assert "data-scheme-warning>Callers must use https://" in page
    API.objects.update(scheme="both")
    assert "data-scheme-warning hidden>" in admin.get(change(api)).content.decode()


@pytest.mark.parametrize(("scheme", "is_told"), [("https", True), ("http", False), ("both", False)])
def test_saving_tells_of_a_scheme_that_shuts_callers_out(admin, scheme, is_told):
    submit(admin, ADD, "api_form", **NEW | {"scheme": scheme})
    page = admin.get("/admin/apis/api/").content.decode()
    assert ("Let a TLS proxy stand before the gateway" in page) is is_told


def test_products_are_taken_away_again(admin, api, starter, unlimited):
    starter.apis.add(api)
    submit(admin, change(api), "api_form", products=[unlimited.pk])
    assert list(api.products.all()) == [unlimited]
    submit(admin, change(api), "api_form", products=None)
    assert not api.products.exists()


def test_name_of_one_s_own_is_kept(admin):
    submit(admin, ADD, "api_form", **NEW, name="scoring")
    assert API.objects.get().name == "scoring"


def test_taken_name_gets_a_number(admin, api):
    API.objects.update(name="azureml-demo-api")
    submit(admin, ADD, "api_form", **NEW | {"path": "second"})
    assert API.objects.get(path="second").name == "azureml-demo-api-2"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("display_name", "", "required"),
        ("display_name", "x" * 101, "at most 100 characters"),
        ("service_url", "", "or choose a backend"),
        ("service_url", "services.azureml.net", "absolute URL"),
        ("service_url", "http://user:pw@host", "do not belong into the URL"),
        ("service_url", "http://localhost:8080/azureml-demo", "the address of the gateway itself"),
        ("path", "/azureml", "not at the ends"),
        ("path", "a/../b", "reserved"),
        ("scheme", "gopher", "not one of the available choices"),
        ("service_url", "http://a:99999", "Port out of range"),
        ("key_header_name", "Host", "HTTP itself needs the header"),
        ("key_header_name", "a: b", "Only letters, digits and !#$%&amp;"),
        ("key_query_name", "a=b", "Only letters, digits"),
        ("key_query_name", "a&b", "Only letters, digits"),
        ("name", "a b", "valid “slug”"),
        ("allowed_origins", "https://app.example.org/path", "is no origin"),
        ("request_body_limit_bytes", "-1", "greater than or equal to 0"),
        ("request_body_limit_bytes", "9" * 30, "less than or equal to"),
        ("backend_timeout_seconds", "0", "greater than or equal to 0.1"),
        ("backend_timeout_seconds", "300", "less than or equal to 240"),
        ("products", ["999"], "not one of the available choices"),
    ],
)
def test_bad_value_is_refused_beside_its_field(admin, field, value, message):
    response = submit(admin, ADD, "api_form", **NEW | {field: value})
    assert field in response.context["adminform"].form.errors
    assert message in errors_of(response)
    assert not API.objects.exists()


def test_backend_stands_in_for_the_url(admin):
    backend = Backend.objects.create(name="orders", title="Orders", url="https://orders.example.org")
    submit(admin, ADD, "api_form", **NEW | {"service_url": "", "backend": backend.pk})
    api = API.objects.get()
    assert (api.service_url, api.backend) == ("", backend)
    assert "Orders" in admin.get("/admin/apis/api/").content.decode()
    assert "choose a backend" in errors_of(submit(admin, change(api), "api_form", backend=""))


def test_settings_of_the_gateway_are_kept_as_browsers_and_gateway_know_them(admin, api):
    fields = {
        "allow_portal_origin": None,
        "allowed_origins": "HTTPS://App.Example.org:443/\r\n\r\nhttp://localhost:3000",
        "request_body_limit_bytes": "1048576",
        "backend_timeout_seconds": "2.5",
    }
    submit(admin, change(api), "api_form", **fields)
    api.refresh_from_db()
    assert api.allowed_origins == "https://app.example.org\nhttp://localhost:3000"
    assert (api.allow_portal_origin, api.request_body_limit_bytes, api.backend_timeout_seconds) == (False, 2**20, 2.5)


def test_pages_of_the_portal_may_call_unless_one_says_no(admin):
    submit(admin, ADD, "api_form", **NEW)
    assert API.objects.get().allow_portal_origin


def test_name_of_another_api_is_refused_in_any_case(admin, api):
    response = submit(admin, ADD, "api_form", **NEW | {"path": "b", "name": "AzureML"})
    assert "Another API has this name" in errors_of(response)


def test_suffix_of_another_api_is_refused(admin, api):
    response = submit(admin, ADD, "api_form", **NEW | {"path": "AzureML-Demo"})
    assert "Another API has this URL suffix" in errors_of(response)


def test_api_is_in_one_open_product_at_most(admin, starter, unlimited, api):
    Product.objects.update(subscription_required=False)
    response = submit(admin, change(api), "api_form", products=[starter.pk, unlimited.pk])
    assert "one open product at most" in errors_of(response)
    assert not api.products.exists()


def test_operations_are_listed_with_a_way_to_add_one(admin, api, operation):
    page = admin.get(change(api)).content.decode()
    assert reverse("admin:apis_operation_change", args=[operation.pk]) in page
    assert f"{reverse('admin:apis_operation_add')}?api={api.pk}" in page


def test_text_of_a_publisher_is_shown_as_text(admin, api, operation):
    hostile = "<script>alert(1)</script>"
    API.objects.update(display_name=hostile)
    type(operation).objects.update(display_name=hostile, url_template="/<b>")
    page = admin.get(change(api)).content.decode()
    assert hostile not in page
    assert "/<b>" not in page


def test_api_with_subscriptions_says_what_to_delete_first(admin, api, alice):
    lifecycle.create(display_name="Alice's", by=None, owner=alice, api=api)
    url = reverse("admin:apis_api_delete", args=[api.pk])
    assert "1 subscription of AzureML Demo API" in admin.get(url).content.decode()
    admin.post(url, {"post": "yes"})
    assert API.objects.exists()


def test_api_without_subscriptions_is_deleted(admin, api, operation):
    admin.post(reverse("admin:apis_api_delete", args=[api.pk]), {"post": "yes"})
    assert not API.objects.exists()


def test_address_is_told_for_the_preview_of_an_operation(admin, api):
    url = reverse("admin:apis_api_address", args=[api.pk])
    assert admin.get(url).json() == {"urls": ["https://127.0.0.1:8080/azureml-demo"]}
    assert admin.get(reverse("admin:apis_api_address", args=[999])).status_code == 404
