"""Who comes into the administration, and by which door."""

from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.usefixtures("service")

PAGES = [
    "/admin/",
    "/admin/apis/api/",
    "/admin/apis/api/add/",
    "/admin/accounts/user/",
    "/admin/subscriptions/subscription/",
]


@pytest.mark.parametrize("path", PAGES)
def test_stranger_signs_in_by_the_portal_s_page(path):
    response = Client().get(path, follow=True)
    assert response.redirect_chain[-1][0] == f"/account/login/?next={quote(path, safe='')}"


@pytest.mark.parametrize("path", PAGES)
def test_developer_is_told_that_he_may_not(signed_in, alice, path):
    response = signed_in(alice).get(path, follow=True)
    assert response.status_code == 403
    assert "This part is for administrators" in response.content.decode()
    assert alice.email in response.content.decode()


def test_there_is_no_second_place_to_guess_passwords(admin_user):
    response = Client().post("/admin/login/", {"username": admin_user.email, "password": "correct horse battery"})
    assert response.status_code == 302
    assert "sessionid" not in response.cookies
    assert "apim_session" not in response.cookies


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/admin/apis/api/", "/admin/apis/api/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_sign_in_leads_to_this_site_only(admin, target, goes_to):
    assert admin.get("/admin/login/", {"next": target}).headers["Location"] == goes_to


def test_staff_without_rights_sees_no_rows(signed_in, alice, api):
    alice.is_staff = True
    alice.save()
    browser = signed_in(alice)
    start = browser.get("/admin/")
    assert start.status_code == 200
    assert "Subscriptions" not in start.content.decode()
    for path in PAGES[1:]:
        assert browser.get(path).status_code == 403
    assert browser.get(reverse("admin:apis_api_address", args=[api.pk])).status_code == 404


def test_blocked_administrator_is_out_at_once(admin, admin_user):
    assert admin.get("/admin/").status_code == 200
    type(admin_user).objects.filter(pk=admin_user.pk).update(state="blocked")
    assert admin.get("/admin/").status_code == 302


def test_signing_out_leads_to_the_portal(admin):
    assert admin.get("/admin/logout/").status_code == 405
    assert admin.post("/admin/logout/").headers["Location"] == "/"
    assert admin.get("/admin/").status_code == 302


def test_password_is_changed_on_the_account_s_page(admin):
    assert admin.get("/admin/password_change/").headers["Location"] == reverse("account_change_password")


def test_pages_carry_the_safety_headers(admin):
    headers = admin.get("/admin/").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"] or "no-cache" in headers["Cache-Control"]


def test_rights_of_the_frameworks_own_models_are_not_offered(admin):
    for path in ("/admin/auth/group/", "/admin/account/emailaddress/", "/admin/account/emailconfirmation/"):
        assert admin.get(path).status_code == 404
