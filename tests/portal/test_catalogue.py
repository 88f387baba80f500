"""Lists and pages of APIs and operations, and who may see them."""

import re

import pytest
from django.test import Client

from apis.models import API, Operation, Parameter, Representation, Response
from portal.base_urls import base_urls
from service.models import current

API_PAGES = ("/apis/echo/", "/apis/echo/say/")


@pytest.mark.parametrize("page", API_PAGES)
def test_api_of_no_visible_product_does_not_exist_for_anybody(page, api, alice, signed_in):
    assert signed_in(alice).get(page).status_code == 404
    assert Client().get(page).status_code == 404


@pytest.mark.parametrize("page", API_PAGES)
def test_group_of_a_product_decides_who_sees_its_api(page, partners, alice, bob, mallory, signed_in):
    assert signed_in(alice).get(page).status_code == 200
    assert signed_in(bob).get(page).status_code == 200
    assert signed_in(mallory).get(page).status_code == 404
    assert Client().get(page).status_code == 404


@pytest.mark.parametrize("page", API_PAGES)
def test_api_of_an_unpublished_product_is_hidden_from_administrators_too(page, starter, admin_user, signed_in):
    type(starter).objects.update(state="notPublished")
    assert signed_in(admin_user).get(page).status_code == 404


def test_list_names_only_what_its_reader_may_see(partners, alice, mallory, signed_in):
    assert "Echo API" in signed_in(alice).get("/apis/").text
    assert "Echo API" not in signed_in(mallory).get("/apis/").text
    assert "Echo API" not in Client().get("/apis/").text


def test_empty_list_tells_a_guest_to_sign_in(service):
    assert "/account/login/?next=/apis/" in Client().get("/apis/").text


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        pytest.param("echo", True, id="name of the API"),
        pytest.param("SAY IT", True, id="name of an operation"),
        pytest.param("{word}", True, id="URL template of an operation"),
        pytest.param("nothing like it", False, id="no match"),
        pytest.param("%", False, id="wildcards of SQL are plain text"),
        pytest.param("x" * 5000, False, id="over-long"),
    ],
)
def test_search_finds_apis_by_their_operations(query, is_found, starter):
    assert ("Echo API" in Client().get("/apis/", {"q": query}).text) is is_found


def test_search_lists_the_operations_that_match(starter):
    page = Client().get("/apis/", {"q": "say"}).text
    assert 'href="/apis/echo/say/"' in page


def test_live_search_answers_with_the_list_alone(starter):
    answer = Client().get("/apis/", {"q": "echo"}, headers={"HX-Request": "true"})
    assert "Echo API" in answer.text
    assert "<html" not in answer.text
    assert "HX-Request" in answer["Vary"]


def test_api_page_says_where_the_api_is_and_how_the_key_travels(starter):
    API.objects.update(key_header_name="X-Key", key_query_name="key")
    page = Client().get("/apis/echo/").text
    assert "http://127.0.0.1:8080/echo" in page
    assert "X-Key" in page
    assert "/products/starter/" in page


@pytest.mark.parametrize(
    ("scheme", "gateway", "urls"),
    [
        pytest.param("https", "http://api.example.org", ["https://api.example.org/echo"], id="https"),
        pytest.param("http", "https://api.example.org", ["http://api.example.org/echo"], id="http"),
        pytest.param(
            "both",
            "http://api.example.org",
            ["https://api.example.org/echo", "http://api.example.org/echo"],
            id="both, https first",
        ),
        pytest.param("both", "http://localhost:8080", ["http://localhost:8080/echo"], id="a port serves one scheme"),
        pytest.param(
            "https", "http://localhost:8080", ["https://localhost:8080/echo"], id="https only, a port of http"
        ),
    ],
)
def test_base_urls_have_the_schemes_of_the_api(starter, settings, scheme, gateway, urls):
    settings.GATEWAY_URL = gateway
    API.objects.update(scheme=scheme)
    assert base_urls(API.objects.get(), current()) == urls
    assert all(f">{url}</span>" in Client().get("/apis/echo/").text for url in urls)


def test_api_page_links_only_products_that_its_reader_may_see(starter, partners, mallory, alice, signed_in):
    assert "/products/partners/" in signed_in(alice).get("/apis/echo/").text
    assert "/products/partners/" not in signed_in(mallory).get("/apis/echo/").text


def test_operations_are_filtered_without_javascript(starter, api):
    Operation.objects.create(api=api, name="shout", display_name="Shout it", method="POST", url_template="/shout")
    page = Client().get("/apis/echo/", {"q": "shout"}).text
    assert "Shout it" in page
    assert "Say it" not in page


@pytest.fixture
def described(operation) -> Operation:
    Parameter.objects.create(
        operation=operation,
        location="template",
        name="word",
        required=True,
        example="hello",
        description="What to say.",
    )
    Parameter.objects.create(
        operation=operation, location="query", name="tone", default_value="soft", values=["soft", "harsh"]
    )
    Parameter.objects.create(operation=operation, location="header", name="X-Trace", description="Ties calls together.")
    Representation.objects.create(operation=operation, content_type="application/json", example='{"a":[1,true]}')
    Representation.objects.create(operation=operation, content_type="text/plain", example="a < b")
    answer = Response.objects.create(operation=operation, status_code=418, description="Short and stout.")
    Parameter.objects.create(response=answer, location="header", name="X-Teapot")
    Representation.objects.create(response=answer, content_type="application/xml", example="<tea/>")
    return operation


@pytest.mark.parametrize(
    "text",
    [
        "Say it",
        "What to say.",
        "hello",
        "harsh",
        "X-Trace",
        "Ocp-Apim-Subscription-Key",
        "text/plain",
        "a &lt; b",
        "418",
        "m a Teapot",
        "Short and stout.",
        "X-Teapot",
        "&lt;tea",
    ],
)
def test_operation_page_shows(text, described, starter):
    assert text in Client().get("/apis/echo/say/").text


def test_json_examples_are_indented_and_highlighted(described, starter):
    page = Client().get("/apis/echo/say/").text
    assert '<span class="nt">"a"</span>' in page
    assert '<span class="kc">true</span>' in page


def test_default_of_a_secret_header_is_masked(starter, operation):
    operation.parameters.create(location="header", name="Authorization", default_value="Bearer hunter2")
    documentation = Client().get("/apis/echo/say/").content.decode().partition('aria-label="Try it"')[0]
    assert "Authorization" in documentation
    assert "hunter2" not in documentation


@pytest.mark.parametrize(("url_template", "word"), [("/{rest}", "required"), ("/{*rest}", "optional")])
def test_wildcard_is_optional_as_in_the_console(starter, operation, url_template, word):
    Operation.objects.update(url_template=url_template)
    operation.parameters.create(location="template", name="rest", required=True)
    documentation, _, console = Client().get("/apis/echo/say/").text.partition('aria-label="Try it"')
    assert re.search(rf"<code>rest</code> <span class=\"parameters__{word}\">", documentation)
    assert ('<code>rest</code><span class="console-row__required"' in console) is (word == "required")


def test_operation_of_another_api_does_not_exist(starter, api):
    other = API.objects.create(name="other", display_name="Other", path="other", service_url="https://b.example.org")
    starter.apis.add(other)
    assert Client().get("/apis/other/say/").status_code == 404


def test_names_and_descriptions_are_never_markup(starter, api, operation):
    attack = '"><script>alert(1)</script>'
    API.objects.update(display_name=attack[:100], description=attack)
    Operation.objects.update(display_name=attack, description=attack, request_description=attack)
    Parameter.objects.create(
        operation=operation, location="query", name=attack, description=attack, default_value=attack
    )
    for page in ("/", "/apis/", *API_PAGES, "/search/?q=script", "/products/starter/"):
        assert "<script>alert" not in Client().get(page).text


def test_description_on_a_card_is_escaped_once(starter):
    API.objects.update(description="Is a < b & <b>c</b>?")
    type(starter).objects.update(description="Is a < b & <b>c</b>?")
    for page in ("/", "/apis/", "/products/", "/products/starter/"):
        assert "Is a &lt; b &amp; &lt;b&gt;c&lt;/b&gt;?" in Client().get(page).text


def test_every_copy_button_names_what_it_copies(described, starter):
    API.objects.update(scheme="both")
    for page in API_PAGES:
        text = Client().get(page).text
        sources = re.findall(r'data-copy="#([^"]*)"', text)
        assert sources
        assert all(f'id="{source}"' in text for source in sources)


def test_number_of_queries_does_not_grow_with_the_list(starter, django_assert_max_num_queries):
    for number in range(20):
        extra = API.objects.create(
            name=f"a{number}", display_name=f"A{number}", path=f"a{number}", service_url="https://b"
        )
        Operation.objects.create(api=extra, name="say", display_name="Say", method="GET", url_template="/")
        starter.apis.add(extra)
    with django_assert_max_num_queries(6):
        Client().get("/apis/")
    with django_assert_max_num_queries(7):
        Client().get("/apis/", {"q": "say"})


def test_operation_page_asks_a_bounded_number_of_queries(described, starter, django_assert_max_num_queries):
    for number in range(30):
        Operation.objects.create(
            api=described.api, name=f"o{number}", display_name=f"O{number}", method="GET", url_template=f"/o{number}"
        )
        Response.objects.create(operation=described, status_code=500 + number)
    with django_assert_max_num_queries(25):
        Client().get("/apis/echo/say/")
