"""A failed call opened in the console: filled in with what was sent, but for secrets."""

import re

import pytest
from django.test import Client

from apis.models import Operation, Parameter
from subscriptions import keys, lifecycle
from subscriptions.models import Subscription
from tests.portal.usage.conftest import call

HEADERS = [
    ["accept", "text/plain"],
    ["ocp-apim-subscription-key", "***"],
    ["authorization", "***"],
    ["cookie", "a=b"],
    ["host", "api.example.org"],
    ["x-forwarded-for", "192.0.2.7"],
    ["user-agent", "curl/8"],
    ["x-colour", "green"],
    ["x-tab", "a\tb"],
    ["x-broken", "a\\x00b\u00e9"],
]


@pytest.fixture
def open_call(mine, api, operation, alice, signed_in):
    def open_it(person=None, **fields) -> str:
        values = {"api_id": api.pk, "operation_id": operation.pk, "request_headers": HEADERS} | fields
        one = call(mine, **values)
        client = signed_in(person or alice)
        return client.get(f"/apis/echo/say/?call={one.request_id}").text

    return open_it


def field(page: str, name: str) -> str | None:
    found = re.search(rf'<input[^>]*name="{re.escape(name)}"[^>]*>', page)
    value = re.search(r'value="([^"]*)"', found[0]) if found else None
    return value[1] if value else None


def added(page: str, location: str) -> dict[str, str]:
    """Added rows, without the empty one of the template element."""
    form = page.split("<template")[0]
    names = re.findall(rf'name="added-{location}-name"[^>]*value="([^"]*)"|name="added-{location}-name"', form)
    values = re.findall(rf'name="added-{location}-value"[^>]*value="([^"]*)"', form)
    return dict(zip(names, values, strict=False))


def test_parameters_query_and_headers_are_filled_in(open_call):
    page = open_call(url="/echo/say/hello%20w%2Fo?loud=yes&more=1&code=***&empty=")
    assert field(page, "template:word") == "hello w/o"
    assert field(page, "template:loud") == "yes"
    assert added(page, "query") == {"more": "1", "empty": ""}
    assert added(page, "header") == {"accept": "text/plain", "x-colour": "green", "x-tab": "a\tb"}


def test_declared_parameters_take_their_values(open_call, operation):
    for location, name in (("query", "more"), ("header", "X-Colour")):
        Parameter.objects.create(operation=operation, location=location, name=name, type="string")
    page = open_call(url="/echo/say/a?loud=b&more=7")
    assert field(page, "query:more") == "7"
    assert field(page, "header:X-Colour") == "green"
    assert "more" not in added(page, "query")
    assert "x-colour" not in added(page, "header")


def test_the_subscription_is_chosen_and_its_key_is_nowhere(open_call, mine, starter, alice):
    lifecycle.subscribe(user=alice, product=starter, display_name="Newer")
    page = open_call()
    assert re.search(rf'value="{mine.pk}"[^>]*(selected|checked)', page)
    assert keys.reveal(mine, keys.Slot.PRIMARY) not in page


def test_a_subscription_that_cannot_be_used_is_not_chosen(open_call, mine, admin_user):
    lifecycle.change_state(mine, Subscription.State.SUSPENDED, by=admin_user)
    assert not re.search(rf'value="{mine.pk}"[^>]*(selected|checked)', open_call())


def test_nobody_fills_in_with_the_calls_of_others(open_call, mallory):
    assert "x-colour" not in open_call(mallory)


def test_guests_fill_in_nothing(mine, api, operation):
    one = call(mine, api_id=api.pk, operation_id=operation.pk, request_headers=HEADERS)
    answer = Client().get(f"/apis/echo/say/?call={one.request_id}")
    assert answer.status_code == 200
    assert "x-colour" not in answer.text


def test_a_call_of_another_operation_fills_in_nothing(open_call, api):
    other = Operation.objects.create(api=api, name="hum", display_name="Hum", method="GET", url_template="/hum")
    assert "x-colour" not in open_call(operation_id=other.pk)


@pytest.mark.parametrize("query", ["?call=", "?call=x", "?call=%00", "?call=" + "0" * 5000])
def test_what_is_no_call_is_ignored(mine, api, operation, alice, signed_in, query):
    assert signed_in(alice).get(f"/apis/echo/say/{query}").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "/echo",
        "*",
        "/echo/say",
        "/echo/say/%zz%ff?%ff=%00&&=&x",
        "/echo/say/a?" + "&".join(f"p{n}=1" for n in range(500)),
    ],
)
def test_any_url_opens_the_page(open_call, url):
    assert 'id="console-form"' in open_call(url=url)
