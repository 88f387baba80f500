"""The portal with the eyes of a group."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Group, User
from portalsettings.models import PortalSettings
from subscriptions import lifecycle
from subscriptions.models import Product


@pytest.fixture
def looking(admin_user, signed_in):
    """The browser of an administrator who looks with the eyes of the group of that name."""

    def look(name: str) -> Client:
        browser = signed_in(admin_user)
        browser.post(f"/preview/{Group.objects.get(name=name).pk}/")
        return browser

    return look


def products_on(page: str) -> set[str]:
    return {name for name in ("Starter", "Partners", "Internal") if f">{name}</a>" in page}


@pytest.fixture
def internal(starter, partners):
    """A product that no group sees but the administrators."""
    product = Product.objects.create(name="internal", display_name="Internal", state=Product.State.PUBLISHED)
    product.groups.set(Group.objects.filter(name="administrators"))
    return product


@pytest.mark.parametrize(
    ("group", "seen"), [("guests", {"Starter"}), ("developers", {"Starter"}), ("partners", {"Starter", "Partners"})]
)
def test_group_sees_its_own_products_only(looking, internal, group, seen):
    browser = looking(group)
    page = browser.get("/products/").text
    assert products_on(page) == seen
    assert "You see the portal as group" in page
    assert browser.get("/products/internal/").status_code == 404


def test_guests_see_nothing_of_a_portal_for_signed_in_people(looking, starter):
    PortalSettings.objects.create(sign_in_required=True)
    answer = looking("guests").get("/products/")
    assert (answer.status_code, "Starter" in answer.text) == (403, False)
    assert "its guests see the page to sign in" in answer.text
    assert looking("developers").get("/products/").status_code == 200


def test_who_lacks_the_second_factor_that_is_required_does_not_look(looking, internal):
    PortalSettings.objects.create(second_factor_required=True)
    assert "You see the portal as group" not in looking("developers").get("/products/").text


def test_nothing_of_the_administrators_own_is_shown(looking, starter, operation, admin_user):
    lifecycle.subscribe(user=admin_user, product=starter, display_name="My own subscription")
    browser = looking("developers")
    for path in ("/products/starter/", "/apis/echo/say/", "/"):
        page = browser.get(path).text
        assert "My own subscription" not in page
        assert admin_user.email not in page


@pytest.mark.parametrize("path", ["/profile/", "/profile/teams/", "/profile/account/"])
def test_pages_of_a_person_are_no_part_of_it(looking, starter, path):
    answer = looking("developers").get(path)
    assert (answer.status_code, "Not part of the preview" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "path", ["/products/starter/subscribe/", "/apis/echo/say/send/", "/profile/teams/create/", "/profile/name/"]
)
def test_nothing_can_be_sent(looking, starter, path):
    assert looking("developers").post(path, {"name": "x", "display_name": "x"}).status_code == 403


def test_administration_stays_open_and_leaving_leads_there(looking, starter):
    browser = looking("developers")
    assert browser.get("/admin/").status_code == 200
    developers = Group.objects.get(name="developers")
    assert browser.post("/preview/leave/")["Location"] == reverse("admin:accounts_group_change", args=[developers.pk])
    assert "You see the portal as group" not in browser.get("/").text
    assert browser.get("/profile/").status_code == 200


def test_it_ends_with_the_right_to_look(looking, starter, partners, admin_user):
    browser = looking("partners")
    User.objects.filter(pk=admin_user.pk).update(is_staff=False)
    page = browser.get("/products/").text
    assert (products_on(page), "You see the portal as group" in page) == ({"Starter"}, False)


def test_it_ends_with_the_group(looking, starter, partners):
    browser = looking("partners")
    Group.objects.get(name="partners").delete()
    assert "You see the portal as group" not in browser.get("/").text


def test_it_is_for_administrators(service, alice, signed_in):
    group = Group.objects.get(name="developers")
    for browser in (signed_in(alice), Client()):
        assert browser.post(f"/preview/{group.pk}/").status_code == 404
        assert "You see the portal as group" not in browser.get("/").text


def test_following_a_link_does_not_start_it(service, admin_user, signed_in):
    browser = signed_in(admin_user)
    assert browser.get(f"/preview/{Group.objects.get(name='guests').pk}/").status_code == 405
    assert "You see the portal as group" not in browser.get("/").text
