"""Products and their policies in the administration."""

import pytest
from django.urls import reverse

from policies.models import ProductPolicy
from service.setup import STARTER_POLICY
from subscriptions import lifecycle
from subscriptions.models import Product
from tests.admin.page_form import errors_of, rows, submit

ADD = "/admin/subscriptions/product/add/"
POLICY = "<policies><inbound><base />{}</inbound></policies>"


def change(product: Product) -> str:
    return reverse("admin:subscriptions_product_change", args=[product.pk])


def save_policy(admin, product: Product, document: str):
    return submit(admin, change(product), "product_form", **{"policy-0-document": document})


def test_product_is_added_with_policy_and_groups(admin, api):
    groups = Product.objects.get(name="starter").groups.values_list("pk", flat=True)
    response = submit(
        admin,
        ADD,
        "product_form",
        display_name="Gold",
        state="published",
        apis=[api.pk],
        groups=list(groups),
        **rows("policy", {"document": POLICY.format('<rate-limit calls="9" renewal-period="60" />')}),
    )
    assert response.status_code == 302, errors_of(response)
    gold = Product.objects.get(name="gold")
    assert gold.groups.count() == 3
    assert list(gold.apis.all()) == [api]
    assert 'calls="9"' in gold.policy.document


def test_limits_are_told_in_words(admin, starter, unlimited):
    assert "5 calls per minute, and 100 calls per week" in admin.get(change(starter)).content.decode()
    ProductPolicy.objects.create(product=unlimited, document=POLICY.format(""))
    assert "No limits." in admin.get(change(unlimited)).content.decode()


def test_policy_is_changed(admin, starter):
    document = STARTER_POLICY.replace('calls="5"', 'calls="50"')
    assert save_policy(admin, starter, document).status_code == 302
    assert 'calls="50"' in ProductPolicy.objects.get(product=starter).document


@pytest.mark.parametrize(
    ("document", "place"),
    [
        pytest.param("", "required", id="empty"),
        pytest.param("<policies>", "line 1", id="not closed"),
        pytest.param("not xml", "line 1, column 1", id="no XML"),
        pytest.param(POLICY.format('<rate-limit calls="x" renewal-period="60" />'), "line 1", id="not a number"),
        pytest.param("<policies>\n<inbound>\n<nonsense />\n</inbound></policies>", "line 3, column 1", id="unknown"),
        pytest.param(
            '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><policies><inbound>&x;</inbound></policies>',
            "line 1",
            id="external entity",
        ),
        pytest.param("<a>" * 50_000, "line 1", id="very deep"),
        pytest.param(" " * 300_000, "required", id="blank"),
        pytest.param("x" * 300_000, "at most 262144 characters", id="very long"),
    ],
)
def test_policy_that_does_not_compile_is_refused_with_its_place(admin, starter, document, place):
    response = save_policy(admin, starter, document)
    assert place in errors_of(response)
    assert ProductPolicy.objects.get(product=starter).document == STARTER_POLICY


NESTED = POLICY.format('<rate-limit calls="9" renewal-period="60"><api id="azureml" calls="2" /></rate-limit>')


def test_policy_may_name_apis_that_are_chosen_on_the_same_page(admin, starter, api):
    fields = {"policy-0-document": NESTED}
    refused = errors_of(submit(admin, change(starter), "product_form", apis=[], **fields))
    assert "No API of the product has the id 'azureml' (line 1, column 70)" in refused
    saved = submit(admin, change(starter), "product_form", apis=[api.pk], **fields)
    assert saved.status_code == 302, errors_of(saved)
    assert "2 calls per minute of AzureML Demo API" in admin.get(change(starter)).content.decode()


def test_api_that_the_policy_names_cannot_leave_the_product_on_its_page(admin, starter, api):
    starter.apis.add(api)
    ProductPolicy.objects.filter(product=starter).update(document=NESTED)
    assert "No API of the product" in errors_of(submit(admin, change(starter), "product_form", apis=[]))


def test_api_is_in_one_open_product_at_most(admin, api, starter, unlimited):
    unlimited.apis.add(api)
    Product.objects.filter(pk=unlimited.pk).update(subscription_required=False)
    response = submit(admin, change(starter), "product_form", apis=[api.pk], subscription_required=None)
    assert "one open product at most; another one has AzureML Demo API" in errors_of(response)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("display_name", "", "required"),
        ("state", "sold", "not one of the available choices"),
        ("subscriptions_limit", "0", "greater than or equal to 1"),
        ("subscriptions_limit", "-1", "greater than or equal to"),
        ("position", "x", "whole number"),
        ("name", "a b", "valid “slug”"),
    ],
)
def test_bad_value_is_refused_beside_its_field(admin, field, value, message):
    response = submit(admin, ADD, "product_form", **{"display_name": "Gold", "state": "published", field: value})
    assert field in response.context["adminform"].form.errors
    assert message in errors_of(response)


def test_product_with_subscriptions_says_what_to_delete_first(admin, starter, alice):
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    url = reverse("admin:subscriptions_product_delete", args=[starter.pk])
    assert "1 subscription of Starter" in admin.get(url).content.decode()
    admin.post(url, {"post": "yes"})
    assert Product.objects.filter(pk=starter.pk).exists()


def test_products_with_subscriptions_are_kept_when_many_are_deleted(admin, starter, unlimited, alice):
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    chosen = {"action": "delete_selected", "_selected_action": [starter.pk, unlimited.pk], "post": "yes"}
    admin.post("/admin/subscriptions/product/", chosen)
    assert Product.objects.count() == 2


def test_list_tells_access_and_counts(admin, starter, unlimited, alice, api):
    unlimited.apis.add(api)
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Mine")
    row = next(p for p in admin.get("/admin/subscriptions/product/").context["cl"].result_list if p == unlimited)
    assert (row.apis_count, row.active_subscriptions, row.waiting_subscriptions) == (1, 0, 1)


def test_name_of_another_product_is_refused_in_any_case(admin, starter):
    response = submit(admin, ADD, "product_form", display_name="B", name="Starter")
    assert "Another product has this name" in errors_of(response)
