"""Each page, light and dark: no serious violation (axe-core), no sideways scrolling, no inline script refused.

Pages of publishers and developers about usage have no violation at all; others have markup of the theme.
"""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PAGE_MILLISECONDS

GUEST_PAGES = [
    "/",
    "/apis/",
    "/apis/azureml-demo-api/",
    "/apis/azureml-demo-api/rrs-execute/",
    "/apis/azureml-demo-api/bes-start/",
    "/products/",
    "/products/starter/",
    "/account/login/",
    "/account/login/code/",
    "/account/signup/",
    "/account/password/reset/",
    "/account/waiting/",
    "/account/invitation/not-a-link/",
    "/account/email/undo/not-a-link/",
    "/no-such-page/",
    "/issues/azureml-demo-api/",
    "/issues/azureml-demo-api/?q=nothing-like-that",
    "/issues/azureml-demo-api/1/",
]
DEVELOPERS_USAGE_PAGES = ["/profile/usage/", "/profile/usage/failed/", "/profile/usage/why/"]
DEVELOPER_PAGES = [
    "/",
    "/apis/azureml-demo-api/rrs-execute/",
    "/products/unlimited/",
    "/profile/",
    *DEVELOPERS_USAGE_PAGES,
    "/profile/usage/why/?request_id=7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "/profile/account/",
    "/profile/security/",
    "/profile/sessions/",
    "/profile/data/",
    "/account/password/change/",
    "/account/reauthenticate/",
    "/profile/teams/",
    "/account/email/",
    "/profile/language/",
    "/profile/notifications/",
    "/issues/azureml-demo-api/new/",
    "/issues/azureml-demo-api/1/",
    "/issues/azureml-demo-api/1/edit/",
]

PUBLISHERS_USAGE_PAGES = [
    "/admin/usage/?period=day",
    "/admin/usage/by/api/?period=day",
    "/admin/alerts/alertrule/",
    "/admin/insights/funnel/",
    "/admin/insights/quotas/",
    "/admin/insights/uncalled/",
    "/admin/insights/deprecated/",
    "/admin/analytics/call/?code=4xx&class=blocked",
    "/admin/analytics/call/tail/",
]
ADMINISTRATION_PAGES = [
    *PUBLISHERS_USAGE_PAGES,
    "/admin/alerts/alertrule/add/",
    "/admin/subscriptions/product/add/",
    "/admin/subscriptions/subscription/add/",
]
SERIOUS = {"serious", "critical"}
WITHOUT_ANY = {"/products/", *DEVELOPERS_USAGE_PAGES, *PUBLISHERS_USAGE_PAGES}


def check(demo, chromium, path, scheme, state=None) -> None:
    context = chromium.new_context(
        color_scheme=scheme, viewport={"width": 1280, "height": 900}, storage_state=state, reduced_motion="reduce"
    )
    context.set_default_timeout(PAGE_MILLISECONDS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    page.goto(f"{demo['Portal']}{path}")
    found = Axe().run(page).response["violations"]
    refused = [
        (violation["id"], [node["html"] for node in violation["nodes"]][:3])
        for violation in found
        if violation["impact"] in SERIOUS or path in WITHOUT_ANY
    ]
    page.set_viewport_size({"width": 360, "height": 740})
    sideways = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    context.close()
    assert (refused, sideways <= 0, complaints) == ([], True, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", GUEST_PAGES)
def test_a_guests_page(demo, chromium, path, scheme):
    check(demo, chromium, path, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", DEVELOPER_PAGES)
def test_a_developers_page(demo, chromium, developer_state, path, scheme):
    check(demo, chromium, path, scheme, developer_state)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ADMINISTRATION_PAGES)
def test_an_administrators_page(demo, chromium, administrator_state, path, scheme):
    check(demo, chromium, path, scheme, administrator_state)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["", "cancel/", "keys/primary/regenerate/"])
def test_a_page_of_a_subscription(demo, chromium, developer_state, page, scheme):
    context = chromium.new_context(storage_state=developer_state)
    context.set_default_timeout(PAGE_MILLISECONDS)
    tab = context.new_page()
    tab.goto(f"{demo['Portal']}/profile/")
    path = tab.locator(".subscription__name a").first.get_attribute("href")
    context.close()
    check(demo, chromium, f"{path}{page}", scheme, developer_state)
