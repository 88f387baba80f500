"""Any text can come as the id of a row: it is refused, and never an error."""

import pytest

from tests.admin.page_form import submit

NO_IDS = pytest.mark.parametrize("text", ["Rev", "-1", "9" * 30, "\x00"], ids=ascii)
OPERATION, SUBSCRIPTION = "/admin/apis/operation/", "/admin/subscriptions/subscription/"
BACKEND = "/admin/backends/backend/"
PRODUCT, GROUP, API = "/admin/subscriptions/product/", "/admin/accounts/group/", "/admin/apis/api/"


@NO_IDS
@pytest.mark.parametrize(
    ("page", "form", "field"),
    [
        (OPERATION, "operation_form", "api"),
        (SUBSCRIPTION, "subscription_form", "owner"),
        (SUBSCRIPTION, "subscription_form", "product"),
        (PRODUCT, "product_form", "apis"),
        (PRODUCT, "product_form", "groups"),
        (GROUP, "group_form", "new_members"),
        (API, "api_form", "products"),
        (API, "api_form", "backend"),
    ],
)
def test_what_is_no_id_is_refused_beside_its_field(admin, page, form, field, text):
    errors = submit(admin, f"{page}add/", form, display_name="A", **{field: [text]}).context["adminform"].form.errors
    assert "available choices" in str(errors[field]) or "Null characters" in str(errors[field])
    assert ("__all__" in errors) is (field == "owner"), "the scope is missing there, too"


@NO_IDS
def test_groups_of_a_user_are_refused_likewise(admin, alice, text):
    page = f"/admin/accounts/user/{alice.pk}/change/"
    assert "groups_listed" in submit(admin, page, "user_form", groups_listed=[text]).context["adminform"].form.errors


@NO_IDS
@pytest.mark.parametrize(
    "query", [f"{OPERATION}add/?api=", f"{SUBSCRIPTION}add/?owner=", f"{PRODUCT}add/?apis=", f"{GROUP}add/?members="]
)
def test_form_opens_with_any_suggestion(admin, query, text):
    assert admin.get(query + text).status_code == 200


@NO_IDS
@pytest.mark.parametrize(
    "query",
    [
        f"{OPERATION}?api__id__exact=",
        f"{SUBSCRIPTION}?owner__id__exact=",
        f"{API}?products__id__exact=",
        f"{API}?backend__id__exact=",
    ],
)
def test_list_opens_with_any_filter(admin, query, text):
    assert admin.get(query + text, follow=True).status_code == 200


@NO_IDS
@pytest.mark.parametrize(
    ("page", "action"),
    [
        (OPERATION, "delete_selected"),
        (PRODUCT, "delete_selected"),
        (BACKEND, "delete_selected"),
        (SUBSCRIPTION, "approve"),
        ("/admin/notifications/outboxmail/", "send_again"),
    ],
)
def test_action_on_any_id_is_answered(admin, operation, page, action, text):
    response = admin.post(page, {"action": action, "_selected_action": [text]}, follow=True)
    assert response.status_code == 200


@NO_IDS
@pytest.mark.parametrize("page", [OPERATION, PRODUCT, SUBSCRIPTION, API, BACKEND])
def test_page_of_any_id_is_answered(admin, page, text):
    assert admin.get(f"{page}{text}/change/".replace("\x00", "%00"), follow=True).status_code in (200, 404)
