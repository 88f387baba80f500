"""The console as the operation page shows it."""

import html

import pytest
from django.urls import reverse
from django.utils import timezone

from apis.models import Representation
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription
from tests.portal.console.conftest import EXAMPLE, key_of


@pytest.fixture
def page_of(client, signed_in):
    def get(operation, by=None) -> str:
        browser = signed_in(by) if by is not None else client
        url = reverse("portal:operation", args=[operation.api.name, operation.name])
        return html.unescape(browser.get(url).content.decode())

    return get


@pytest.fixture
def unlimited(api, starter) -> Product:
    product = Product.objects.create(name="unlimited", display_name="Unlimited", state=Product.State.PUBLISHED)
    product.apis.add(api)
    product.groups.set(starter.groups.all())
    return product


def test_examples_are_filled_in(page_of, execute):
    page = page_of(execute)
    assert 'name="template:version" value="2.0"' in page
    assert 'name="header:Authorization" value="Bearer abc"' in page
    assert 'name="header:Content-Type" value="application/json"' in page
    assert f"\n{EXAMPLE}</textarea>" in page


def test_url_line_shows_the_template_until_a_script_fills_it(page_of, execute):
    line = page_of(execute).partition('id="console-url"')[2].partition("</code>")[0]
    assert '/<span class="url-parameter">{service}</span>/x?v=' in line.replace("<wbr>", "")


def test_required_parameters_cannot_be_switched_off(page_of, execute):
    page = page_of(execute)
    assert 'value="query:trace" checked' in page
    assert 'value="query:format" aria-label' in page
    assert 'value="template:service"' not in page
    assert 'value="header:Authorization"' not in page


def test_enumerated_values_are_a_choice(page_of, execute):
    execute.parameters.filter(name="format").update(values=["json", "xml"], default_value="xml")
    choice = page_of(execute).partition('name="query:format"')[2].partition("</select>")[0]
    assert '<option value="">not sent</option>' in choice
    assert '<option value="xml" selected>xml</option>' in choice


def test_newest_subscription_is_chosen(page_of, execute, alice, alices):
    lifecycle.create(display_name="Newer", by=None, owner=alice, product=alices.product)
    assert "selected>Newer · Starter" in page_of(execute, by=alice)


def test_subscription_without_limits_is_chosen_before_a_newer_one(page_of, execute, alice, unlimited, starter):
    lifecycle.create(display_name="Free", by=None, owner=alice, product=unlimited)
    lifecycle.create(display_name="Newer", by=None, owner=alice, product=starter)
    page = page_of(execute, by=alice)
    assert "selected>Free · Unlimited" in page
    assert "Newer · Starter" in page


@pytest.mark.parametrize("scope", ["api", "all"])
def test_subscription_of_an_api_or_of_all_is_offered(page_of, execute, alice, api, scope):
    lifecycle.create(display_name="Wide", by=None, owner=alice, api=api if scope == "api" else None)
    assert "selected>Wide" in page_of(execute, by=alice)


def test_the_key_is_not_on_the_page(page_of, execute, alice, alices):
    page = page_of(execute, by=alice)
    assert str(alices.pk) in page
    assert key_of(alices) not in page
    assert "Ocp-Apim-Subscription-Key" in page


def test_subscriptions_of_others_and_unusable_ones_are_not_offered(page_of, execute, mallory, alices, starter):
    ended = lifecycle.create(display_name="Ended", by=None, owner=mallory, product=starter)
    lifecycle.change_state(ended, Subscription.State.CANCELLED, by=None)
    expired = lifecycle.create(display_name="Expired", by=None, owner=mallory, product=starter)
    Subscription.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    page = page_of(execute, by=mallory)
    assert str(alices.pk) not in page
    assert str(ended.pk) not in page
    assert str(expired.pk) not in page


def test_without_a_subscription_there_is_a_link_to_the_products_that_give_one(page_of, execute, alice, partners):
    page = page_of(execute, by=alice)
    assert '<a href="/products/partners/">subscribe to Partners</a> or <a href="/products/starter/">' in page


def test_waiting_request_is_told(page_of, execute, alice, unlimited):
    unlimited.approval_required = True
    unlimited.save()
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Asked for")
    assert "Your subscription Asked for waits for approval." in page_of(execute, by=alice)


def test_guest_is_led_to_sign_in_and_back(page_of, execute):
    assert 'href="/account/login/?next=/apis/echo/execute/">Sign in</a> to call this API' in page_of(execute)


def test_api_that_needs_no_key_asks_for_none(page_of, execute, api, mallory):
    api.subscription_required = False
    api.save()
    assert "This API is called without a key." in page_of(execute)
    assert "Get a key" not in page_of(execute, by=mallory)


def test_api_of_an_open_product_asks_for_no_key(page_of, execute, starter):
    Product.objects.filter(pk=starter.pk).update(subscription_required=False)
    assert "This API is called without a key." in page_of(execute)


def test_body_of_a_get_waits_behind_a_click(page_of, operation_of):
    assert '<summary class="console-part__title">Add body</summary>' in page_of(operation_of("GET", "/x"))


def test_rows_can_be_added_without_javascript(send, execute):
    page = send(
        execute, {"action": "add-query", "added-query-name": ["a"], "added-query-value": ["1"]}
    ).content.decode()
    shown = page.partition("<template")[0]
    assert shown.count('name="added-query-name"') == 2
    page = send(execute, {"action": "add-header"}).content.decode()
    assert page.partition("<template")[0].count('name="added-header-name"') == 1


def test_example_can_be_put_back_without_javascript(send, execute):
    Representation.objects.create(operation=execute, content_type="application/xml", example="<Inputs/>")
    page = html.unescape(send(execute, {"action": "example", "example": "1", "body": "x"}).content.decode())
    assert "\n<Inputs/></textarea>" in page
    assert 'name="header:Content-Type" value="application/xml"' in page


def test_whole_page_comes_back_with_the_form_as_it_was_sent(send, execute, gateway):
    page = html.unescape(send(execute, {"template:service": "other", "on": []}).content.decode())
    assert "<h1>Execute</h1>" in page
    assert 'name="template:service" value="other"' in page
    assert 'value="query:trace" aria-label' in page
    assert "Response status" in page


def test_declared_key_header_is_left_to_the_key(page_of, execute):
    execute.parameters.create(location="header", name="ocp-apim-subscription-key", required=True)
    execute.parameters.create(location="query", name="subscription-key", required=True)
    execute.parameters.create(location="query", name="v", default_value="1")
    page = page_of(execute)
    assert 'name="header:ocp-apim-subscription-key"' not in page
    assert 'name="query:subscription-key"' not in page
    assert 'name="query:v"' not in page
