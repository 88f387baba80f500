"""What a product's group sees, and nobody else: tried on every page, by each kind of reader.

What may not be seen answers 404, and every list looks as if it did not exist.
"""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Group
from apis.models import API
from feedback.models import Comment, Issue
from portal.pages import urlpatterns
from portalsettings.models import PortalSettings
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription

READERS = ["guest", "developer", "member", "member_by_sign_in", "administrator"]
SEES = {"guest": False, "developer": False, "member": True, "member_by_sign_in": True, "administrator": True}

API_PAGE, OPERATION_PAGE, SEND = "/apis/echo/", "/apis/echo/say/", "/apis/echo/say/send/"
PRODUCT_PAGE, SUBSCRIBE = "/products/partners/", "/products/partners/subscribe/"
# Those that show a product, an API or an operation by its name in the URL.
BY_NAME = {
    **{"api": API_PAGE, "operation": OPERATION_PAGE, "product": PRODUCT_PAGE},
    **{"issues": "/issues/echo/", "issue": "/issues/echo/7/"},
}
# What people who are signed in do about an issue.
OF_ISSUES = {
    **{"open_issue": "/issues/echo/new/", "comment_on_issue": "/issues/echo/7/comment/"},
    **{"edit_issue": "/issues/echo/7/edit/", "change_issue_state": "/issues/echo/7/state/"},
    **{"follow_issue": "/issues/echo/7/follow/", "edit_comment": "/issues/echo/7/comments/7/edit/"},
    **{"remove_comment": "/issues/echo/7/comments/7/remove/"},
}
# Following a link there leads back to the issue.
LED_BACK = {OF_ISSUES[name] for name in ("change_issue_state", "follow_issue")}
ATTACHMENT = "/issues/echo/7/attachments/00000000-0000-0000-0000-000000000007/"
POSTED = [
    (SEND, {"action": "send"}),
    (SEND, {"action": "add-query"}),
    (SEND, {"action": "add-header"}),
    (SEND, {"action": "example"}),
    (SUBSCRIBE, {"display_name": "Mine"}),
]
LISTS = ["/", "/apis/", "/apis/?q=say", "/products/", "/search/?q=say", "/search/?q=partners", "/llms.txt"]
TRACES = re.compile(r"Echo API|Say it|Partners|/apis/echo|/products/partners")


@pytest.fixture
def browsers(partners, alice, bob, mallory, admin_user, signed_in) -> dict[str, Client]:
    """`partners` is shown to alice, who is listed, and to bob, whom his identity provider has put in."""
    group = Group.objects.get(name="partners")
    group.members.set([alice])
    group.claimed_memberships.create(user=bob)
    PortalSettings.objects.create(pk=1, issues=PortalSettings.Issues.AT_ONCE)
    Issue.objects.create(
        **{"pk": 7, "api": partners.apis.get(), "author": mallory, "title": "It is late", "description": "Since noon."},
        **{"state": Issue.State.OPEN, "opened_at": timezone.now()},
    )
    Comment.objects.create(pk=7, issue_id=7, author=mallory, text="Here as well.")
    people = {"developer": mallory, "member": alice, "member_by_sign_in": bob, "administrator": admin_user}
    return {"guest": Client(), **{name: signed_in(user) for name, user in people.items()}}


@pytest.fixture
def unpublished(partners) -> Product:
    Product.objects.update(state=Product.State.NOT_PUBLISHED)
    return partners


def traces(browser: Client, path: str, **headers: str) -> set[str]:
    return set(TRACES.findall(browser.get(path, headers=headers).text))


def plain(browser: Client, path: str) -> str:
    """The page without what differs each time."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", browser.get(path).text)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", BY_NAME.values())
def test_page_is_found_by_its_group_only(browsers, reader, path):
    assert browsers[reader].get(path).status_code == (200 if SEES[reader] else 404)


@pytest.mark.parametrize("reader", ["guest", "developer"])
@pytest.mark.parametrize(("path", "fields"), POSTED)
def test_nothing_is_sent_to_what_is_not_seen(browsers, reader, path, fields):
    assert browsers[reader].post(path, fields).status_code == 404
    assert not Subscription.objects.exists()


@pytest.mark.parametrize("reader", ["guest", "developer"])
def test_body_that_is_too_large_is_no_way_to_find_out(browsers, reader, settings):
    settings.CONSOLE_REQUEST_LIMIT_BYTES = 10
    assert browsers[reader].post(SEND, {"body": "x" * 70_000}).status_code == 404


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", LISTS)
def test_list_shows_it_to_its_group_only(browsers, reader, path):
    assert bool(traces(browsers[reader], path)) == (SEES[reader] and "q=partners" not in path)


@pytest.mark.parametrize("reader", READERS)
def test_search_box_drops_it_down_for_its_group_only(browsers, reader):
    found = traces(browsers[reader], "/search/?q=say", **{"HX-Request": "true"})
    assert bool(found) == SEES[reader]


@pytest.mark.parametrize("reader", ["guest", "developer"])
@pytest.mark.parametrize("path", LISTS)
def test_lists_and_their_counts_are_as_if_it_did_not_exist(browsers, reader, path):
    shown = plain(browsers[reader], path)
    Product.objects.all().delete()
    API.objects.all().delete()
    assert plain(browsers[reader], path) == shown


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", LISTS)
def test_product_that_is_not_published_is_listed_for_nobody(browsers, unpublished, reader, path):
    assert not traces(browsers[reader], path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", BY_NAME.values())
def test_product_that_is_not_published_is_found_by_nobody(browsers, unpublished, reader, path):
    assert browsers[reader].get(path).status_code == 404


def test_api_shows_only_those_of_its_products_that_the_reader_sees(browsers, starter):
    assert "/products/starter/" in browsers["developer"].get(API_PAGE).text
    assert "/products/partners/" not in browsers["developer"].get(API_PAGE).text
    assert "/products/partners/" in browsers["member"].get(API_PAGE).text


@pytest.mark.parametrize("scope", ["product", "api", "all"])
def test_subscription_lists_only_those_of_its_apis_that_the_reader_sees(browsers, partners, mallory, scope):
    held = {"product": {"product": partners}, "api": {"api": partners.apis.get()}, "all": {}}[scope]
    made = lifecycle.create(display_name="Mine", by=None, owner=mallory, **held)
    page = browsers["developer"].get(reverse("portal:subscription", args=[made.pk])).text
    assert "/apis/echo/" not in page
    partners.groups.add(Group.objects.get(name="developers"))
    assert "/apis/echo/" in browsers["developer"].get(reverse("portal:subscription", args=[made.pk])).text


def test_key_is_shown_to_its_owner_whether_or_not_he_sees_the_product(browsers, partners, mallory):
    made = lifecycle.create(display_name="Mine", by=None, owner=mallory, product=partners)
    assert browsers["developer"].get(reverse("portal:subscription", args=[made.pk])).status_code == 200
    assert Subscription.objects.of(mallory).get().state == Subscription.State.ACTIVE


@pytest.mark.parametrize("path", [*OF_ISSUES.values(), ATTACHMENT])
def test_issues_of_what_is_not_seen_are_not_there_even_for_who_once_wrote(browsers, path):
    status = 405 if path == ATTACHMENT else 404
    assert browsers["developer"].post(path, {"state": "closed", "text": "x"}).status_code == status
    if path not in LED_BACK:
        assert browsers["developer"].get(path).status_code == 404


def test_every_page_that_names_a_product_an_api_or_an_operation_is_tried_here():
    named = {one.name for one in urlpatterns if {"api", "operation", "product"} & set(one.pattern.converters)}
    assert named == {*BY_NAME, *OF_ISSUES, "issue_attachment", "send", "subscribe", "subscribe_to_api"}
