"""Portals that are for signed-in people only, and the notice on every page."""

import pytest
from django.test import Client

from portalsettings.models import PortalSettings
from service.models import Service


@pytest.fixture(autouse=True)
def service(db) -> Service:
    return Service.objects.create(name="demo", organization_name="Contoso", administrator_email="admin@example.org")


@pytest.fixture
def closed_portal(service) -> PortalSettings:
    return PortalSettings.objects.create(sign_in_required=True)


@pytest.mark.parametrize(
    "path", ["/", "/apis/", "/apis/x/", "/products/", "/search/?q=a", "/llms.txt", "/nothing-of-the-kind/", "/adminx/"]
)
def test_visitors_are_sent_to_sign_in_and_back(closed_portal, path):
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/?next=%2F")


def test_forms_and_parts_of_pages_are_closed_too(closed_portal):
    assert Client().post("/products/x/subscribe/").status_code == 302
    part = Client().get("/search/", headers={"HX-Request": "true"})
    assert part["HX-Redirect"].startswith("/account/login/")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/account/login/", 200),
        ("/account/signup/", 200),
        ("/account/password/reset/", 200),
        ("/account/waiting/", 200),
        ("/account/invitation/x/", 404),
        ("/unsubscribe/x/", 404),
        ("/health/", 200),
        ("/static/nothing.css", 404),
    ],
)
def test_what_everybody_needs_stays_open(closed_portal, path, status):
    assert Client().get(path).status_code == status


def test_signed_in_people_see_the_portal(closed_portal, alice, signed_in):
    assert signed_in(alice).get("/apis/").status_code == 200


def test_portal_is_open_where_nothing_is_said():
    assert Client().get("/apis/").status_code == 200


def test_notice_stands_on_every_page_until_it_is_dismissed():
    PortalSettings.objects.create(notice="We use *cookies*.")
    client = Client()
    assert "We use <em>cookies</em>." in client.get("/apis/").text
    assert client.post("/notice/dismiss/", {"next": "/apis/"})["Location"] == "/apis/"
    assert "cookies" not in client.get("/apis/").text
    PortalSettings.objects.update(notice="We use *more cookies*.")
    assert "more cookies" in client.get("/apis/").text


def test_dismissing_leads_to_this_site_only():
    answer = Client().post("/notice/dismiss/", {"next": "https://evil.example/"})
    assert answer["Location"] == "/"
