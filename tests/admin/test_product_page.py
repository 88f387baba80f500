"""Products and their policies in the administration."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from alerts.models import AlertRule
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
    assert "5 calls per minute; 100 calls per week" in admin.get(change(starter)).content.decode()
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


def delete(product: Product) -> str:
    return reverse("admin:subscriptions_product_delete", args=[product.pk])


def test_product_that_nobody_subscribed_to_is_deleted(admin, starter):
    assert "live" not in admin.get(delete(starter)).text.split("question__buttons")[0].split("<form")[-1]
    assert admin.post(delete(starter)).status_code == 302
    assert not Product.with_deleted.filter(name="starter").exists()


def test_deleting_says_how_many_subscriptions_are_live_and_wants_a_word_about_them(admin, unlimited, alice, bob):
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Mine")
    lifecycle.create(display_name="Theirs", by=None, owner=bob, product=unlimited)
    page = admin.get(delete(unlimited)).text
    assert "2 subscriptions are live" in page
    assert ("Submitted</td><td>1" in page, "Active</td><td>1" in page) == (True, True)
    assert "was not deleted" in admin.post(delete(unlimited)).text
    assert Product.objects.filter(pk=unlimited.pk).exists()
    assert not LogEntry.objects.exists()
    answer = admin.post(delete(unlimited), {"cancel_subscriptions": "on"})
    assert answer.status_code == 302
    assert {row.state for row in unlimited.subscriptions.all()} == {"cancelled"}
    assert admin.get(delete(unlimited)).status_code == 404


def test_a_deleted_product_is_in_no_list_and_its_subscription_s_page_names_it(admin, starter, alice):
    mine = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    admin.post(delete(starter), {"cancel_subscriptions": "on"})
    assert starter not in admin.get("/admin/subscriptions/product/").context["cl"].result_list
    page = admin.get(reverse("admin:subscriptions_subscription_change", args=[mine.pk])).text
    assert "Starter (deleted)" in page


def test_alert_rules_about_a_product_go_with_it(admin, starter, unlimited, alice):
    lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    for name, product in (("Silent", starter), ("Slow", starter), ("Theirs", unlimited)):
        AlertRule.objects.create(name=name, product=product, threshold=1)
    assert "2 alert rules about it are deleted, too." in admin.get(delete(starter)).text
    assert admin.post(delete(starter)).status_code == 200
    assert AlertRule.objects.count() == 3
    admin.post(delete(starter), {"cancel_subscriptions": "on"})
    assert [rule.name for rule in AlertRule.objects.all()] == ["Theirs"]


def test_deleting_many_at_once_is_not_offered(admin, starter):
    assert "delete_selected" not in admin.get("/admin/subscriptions/product/").text


def test_who_may_not_delete_is_refused(starter, alice, signed_in):
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="view_product"))
    client = signed_in(alice)
    assert client.get(delete(starter)).status_code == 403
    assert client.post(delete(starter)).status_code == 403


def test_price_is_stated_and_changed(admin, starter):
    figures = {"price_kind": "perMonth", "price_currency": "eur", "price_per_month": "5"}
    assert submit(admin, change(starter), "product_form", **figures).status_code == 302
    assert (starter.price.kind, starter.price.currency, starter.price.per_month) == ("perMonth", "EUR", 5)
    # Saved again as it stands, it is no new price.
    assert submit(admin, change(starter), "product_form").status_code == 302
    assert starter.prices.count() == 1
    changes = {"price_kind": "inWords", "price_currency": "", "price_per_month": "", "price_text": "Ask"}
    assert submit(admin, change(starter), "product_form", **changes).status_code == 302
    assert Product.objects.get(pk=starter.pk).price.text == "Ask"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"price_kind": "perMonth", "price_currency": "EUR"}, "price_per_month"),
        ({"price_kind": "perMonth", "price_per_month": "5"}, "price_currency"),
        ({"price_kind": "free", "price_per_month": "5"}, "price_per_month"),
        ({"price_kind": "inWords"}, "price_text"),
        ({"price_per_month": "5"}, "price_kind"),
        ({"price_kind": "weekly"}, "price_kind"),
        ({"price_kind": "perMonth", "price_currency": "EUR", "price_per_month": "1e99"}, "price_per_month"),
        (
            {"price_kind": "perThousandCalls", "price_currency": "EUR", "price_included_calls": "-1"},
            "price_included_calls",
        ),
    ],
)
def test_price_that_cannot_be_is_refused_beside_its_field(admin, starter, fields, wrong):
    response = submit(admin, change(starter), "product_form", **fields)
    assert wrong in response.context["adminform"].form.errors
    assert starter.price is None


def test_order_is_changed_in_the_list(admin, starter, unlimited):
    page = admin.get("/admin/subscriptions/product/")
    rows_of = page.context["cl"].formset
    values = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    for number, product in enumerate(form.instance for form in rows_of.forms):
        values |= {f"form-{number}-id": product.pk, f"form-{number}-position": 10 - number}
    assert admin.post("/admin/subscriptions/product/", values).status_code == 302
    assert [product.position for product in Product.objects.order_by("name")] == [10, 9]
    assert list(Product.objects.all()) == [unlimited, starter]


def test_page_tells_how_many_accepted_older_terms(admin, unlimited, alice, bob):
    for terms, owner in (("Old.", alice), ("New.", bob)):
        Product.objects.filter(pk=unlimited.pk).update(terms=terms)
        lifecycle.subscribe(user=owner, product=unlimited, display_name="Mine", accepted_terms=terms)
    assert "These terms: 1. An older version: 1. None: 0." in admin.get(change(unlimited)).text


def test_list_tells_access_and_counts(admin, starter, unlimited, alice, api):
    unlimited.apis.add(api)
    lifecycle.subscribe(user=alice, product=unlimited, display_name="Mine")
    row = next(p for p in admin.get("/admin/subscriptions/product/").context["cl"].result_list if p == unlimited)
    assert (row.apis_count, row.active_subscriptions, row.waiting_subscriptions) == (1, 0, 1)


def test_name_of_another_product_is_refused_in_any_case(admin, starter):
    response = submit(admin, ADD, "product_form", display_name="B", name="Starter")
    assert "Another product has this name" in errors_of(response)


def test_page_of_a_subscription_tells_which_terms_were_accepted(admin, unlimited, alice):
    Product.objects.filter(pk=unlimited.pk).update(terms="Old.")
    mine = lifecycle.subscribe(user=alice, product=unlimited, display_name="Mine", accepted_terms="Old.")
    url = reverse("admin:subscriptions_subscription_change", args=[mine.pk])
    assert "The terms as they are now." in admin.get(url).text
    Product.objects.filter(pk=unlimited.pk).update(terms="New.")
    page = admin.get(url).text
    assert ("An older version." in page, "Old." in page) == (True, True)
