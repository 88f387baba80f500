"""What holds for every page: safety headers, error pages, health."""

import re

import pytest
from django.db import DatabaseError, connection
from django.template.loader import render_to_string
from django.test import Client

PAGES = [
    "/",
    "/apis/",
    "/apis/echo/",
    "/apis/echo/say/",
    "/products/",
    "/products/starter/",
    "/search/?q=echo",
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
]


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_inline_code_and_a_strict_policy(page, starter):
    answer = Client().get(page)
    assert answer.status_code == 200
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", answer.text)
    assert not re.search(r"<script(?![^>]*(\ssrc=|type=\"application/json\"))", answer.text)
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("page", PAGES)
def test_page_has_one_heading_and_landmarks(page, starter):
    text = Client().get(page).text
    assert text.count("<h1") == 1
    assert text.count("<main") == 1
    assert 'href="#main"' in text
    assert '<html lang="en">' in text


@pytest.mark.parametrize("page", PAGES)
def test_ids_are_unique(page, starter):
    ids = re.findall(r'\sid="([^"]+)"', Client().get(page).text)
    assert sorted(set(ids)) == sorted(ids)


def test_page_that_does_not_exist_is_in_the_portals_style(service):
    answer = Client().get("/nothing/here/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert "Contoso" in answer.text


def test_page_of_a_server_error_needs_no_database():
    assert "Something went wrong on our side" in render_to_string("500.html")


def test_server_error_answers_that_page(service, monkeypatch):
    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr("portal.views.home.offers_to", broken)
    answer = Client(raise_request_exception=False).get("/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text


def test_frame_can_be_shown_without_a_service(db):
    assert "API Management" in render_to_string("base.html", {"service": None})


def test_old_form_of_htmx_reloads_its_page(service, alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = client.post("/profile/name/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (403, "true")
    assert "You signed in or out after this page was opened" in client.get("/profile/").text


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/apis/echo/say/send/", "/apis/echo/say/"),
        ("/products/starter/subscribe/", "/products/starter/"),
        ("/profile/name/", "/profile/account/"),
        (
            "/profile/subscriptions/00000000-0000-0000-0000-000000000000/rename/",
            "/profile/subscriptions/00000000-0000-0000-0000-000000000000/",
        ),
    ],
)
def test_address_of_a_form_leads_to_its_page(service, address, page):
    assert Client().get(address).headers["Location"] == page


@pytest.mark.parametrize("address", ["/apis/", "/apis/echo/say/send/", "/account/logout/"])
def test_method_that_is_not_taken_is_answered_with_a_page(service, address):
    answer = Client().put(address)
    assert answer.status_code == 405
    assert "It does not take the method PUT" in answer.text
    assert "POST" in answer["Allow"] or "GET" in answer["Allow"]


def test_health_is_good_while_the_database_answers(db):
    answer = Client().get("/health/")
    assert (answer.status_code, answer.text) == (200, "Healthy.\n")


def test_health_is_bad_when_the_database_does_not_answer(db):
    def broken(*_):
        raise DatabaseError

    with connection.execute_wrapper(broken):
        assert Client().get("/health/").status_code == 503


def test_signing_out_needs_a_click(service, alice, signed_in):
    client = signed_in(alice)
    assert client.get("/account/logout/").status_code == 200
    assert client.get("/profile/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/profile/").status_code == 302


def test_administration_is_linked_for_staff_only(service, alice, admin_user, signed_in):
    assert 'href="/admin/"' in signed_in(admin_user).get("/").text
    assert 'href="/admin/"' not in signed_in(alice).get("/").text


def test_programs_can_read_what_guests_may_see(starter):
    answer = Client().get("/llms.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "/apis/echo/say/): GET /echo/say/{word}?loud={loud}" in answer.text


def test_programs_cannot_read_what_guests_may_not_see(partners):
    assert "Echo" not in Client().get("/llms.txt").text
