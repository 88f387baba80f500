"""The administration's scripts: parameters follow the URL template, and URLs are shown while one types."""

import re
from uuid import uuid4

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_SECONDS

NAMES = "input[name^='template_parameters-'][name$='-name']:visible"


@pytest.fixture
def admin(administrator_state, context, page) -> Page:
    context.add_cookies(administrator_state["cookies"])
    return page


@pytest.fixture
def form(demo, admin) -> Page:
    """The page that adds an operation to the demo's API."""
    admin.goto(f"{demo['Portal']}/admin/apis/api/")
    admin.get_by_role("link", name="AzureML Demo API").first.click()
    admin.get_by_role("link", name="Add operation").first.click()
    expect(admin.get_by_text("Rows appear as you write the URL template.")).to_be_visible()
    return admin


def names(page: Page) -> list[str]:
    return [field.input_value() for field in page.locator(NAMES).all()]


def write(page: Page, template: str) -> None:
    page.locator("[name=url_template]").fill(template)


def test_rows_follow_the_template(form):
    write(form, "/a/{x}/{y}?v={version}")
    assert names(form) == ["x", "y", "version"]
    write(form, "/a/{x}?v={version}")
    assert names(form) == ["x", "version"]
    write(form, "/a/{X}?v={version}")
    assert names(form) == ["x", "version"]
    write(form, "/files/{*rest}")
    assert names(form) == ["rest"]


def test_corrected_name_keeps_what_was_written_beside_it(form):
    write(form, "/a/{wrokspace}")
    form.locator("[name=template_parameters-0-default_value]").fill("7ad1")
    write(form, "/a/{workspace}")
    assert names(form) == ["workspace"]
    expect(form.locator("[name=template_parameters-0-default_value]")).to_have_value("7ad1")


def test_filled_row_is_marked_and_not_thrown_away(form):
    write(form, "/a/{x}")
    form.locator("[name=template_parameters-0-description]").fill("Kept")
    write(form, "/a")
    assert names(form) == ["x"]
    expect(form.locator(".is-not-in-template")).to_have_count(1)


def test_deleting_a_row_leaves_what_was_typed_in_the_others(form):
    write(form, "/a/{x}/{y}/{z}")
    form.locator("[name=template_parameters-1-description]").fill("Second")
    form.locator("[name=template_parameters-2-values]").fill("1\n2")
    form.locator("#template_parameters-data .delete-template:visible").first.click()
    assert names(form) == ["y", "z"]
    expect(form.locator("[name=template_parameters-0-description]")).to_have_value("Second")
    expect(form.locator("[name=template_parameters-1-values]")).to_have_value("1\n2")


def test_request_url_is_shown_while_one_types(form):
    form.locator("[name=method]").fill("put")
    write(form, "/jobs/{id}")
    expect(form.locator("[data-request-url]")).to_have_text(
        re.compile(r"PUT http://[0-9.:]+/azureml-demo/jobs/\{id\}$")
    )


def test_scheme_that_shuts_callers_out_is_warned_of(demo, admin):
    admin.goto(f"{demo['Portal']}/admin/apis/api/add/")
    warning = admin.get_by_text("Callers must use https://")
    admin.locator("[name=scheme]").select_option("https")
    expect(warning).to_be_visible()
    admin.locator("[name=scheme]").select_option("both")
    expect(warning).to_be_hidden()


def test_response_is_added_with_a_header(demo, form):
    name = f"with-a-header-{uuid4().hex}"
    form.locator("[name=display_name]").fill(name)
    form.locator("[name=method]").fill("GET")
    write(form, f"/{name}")
    form.get_by_text("Add another Response").click()
    form.locator("#responses-0-headers-data").get_by_text("Add another Header").click()
    form.locator("[name=responses-0-headers-0-name]").fill("ETag")
    form.get_by_role("button", name="Save and continue editing").click()
    expect(form.locator("[name=responses-0-status_code]")).to_have_value("200")
    expect(form.locator("[name=responses-0-headers-0-name]")).to_have_value("ETag")
    form.get_by_role("link", name="Delete operation").click()
    form.get_by_role("button", name="Yes").click()


def test_backend_and_pool_of_it_are_added(demo, admin):
    backend = f"Orders {uuid4().hex}"
    pool = f"{backend} everywhere"
    admin.goto(f"{demo['Portal']}/admin/backends/backend/add/")
    admin.locator("[name=title]").fill(backend)
    admin.locator("[name=url]").fill("https://orders.example.org")
    admin.locator("[name=headers]").fill("x-functions-key: s3cret")
    admin.get_by_role("button", name="Save", exact=True).click()
    admin.get_by_role("link", name="Add pool").click()
    admin.locator("[name=title]").fill(pool)
    admin.locator("#members-group .select2-selection").first.click()
    admin.get_by_role("option", name=backend, exact=True).click()
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.locator("[name=members-0-backend] option:checked")).to_have_text(backend)
    for name in (pool, backend):
        admin.goto(f"{demo['Portal']}/admin/backends/backend/")
        admin.get_by_role("link", name=name, exact=True).click()
        if name == backend:
            expect(admin.locator("[name=headers]")).to_have_value("x-functions-key: ••••••••")
        admin.get_by_role("link", name="Delete backend").click()
        admin.get_by_role("button", name="Yes").click()
    expect(admin.get_by_role("link", name=backend)).to_have_count(0)


def test_keyboard_skips_the_menu(demo, admin):
    admin.goto(f"{demo['Portal']}/admin/usage/")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("link", name="Skip to the content")).to_be_focused()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("main").get_by_role("link", name="Overview")).to_be_focused()


def test_menu_of_a_narrow_window_opens_and_closes_by_keyboard(demo, admin):
    admin.set_viewport_size({"width": 640, "height": 450})
    admin.goto(f"{demo['Portal']}/admin/usage/")
    switch = admin.get_by_role("button", name="Menu")
    switch.focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("link", name="Start", exact=True)).to_be_visible()
    expect(switch).to_have_attribute("aria-expanded", "true")
    expect(admin.locator("#nav-sidebar a").first).to_be_focused()
    admin.keyboard.press("Escape")
    expect(admin.get_by_role("link", name="Start", exact=True)).to_be_hidden()
    expect(switch).to_be_focused()
    expect(switch).to_have_attribute("aria-expanded", "false")


def test_signing_out_is_reached_by_keyboard(demo, admin):
    admin.goto(f"{demo['Portal']}/admin/usage/")
    admin.get_by_role("button", name=demo["Administrator"].split()[0]).focus()
    admin.keyboard.press("Space")
    expect(admin.get_by_role("button", name="Light")).to_be_focused()
    expect(admin.get_by_role("button", name="Log out")).to_be_visible()


def test_part_of_the_dashboard_that_cannot_be_fetched_says_so_and_is_tried_again(demo, admin):
    admin.route("**/admin/usage/rankings/**", lambda route: route.abort())
    admin.goto(f"{demo['Portal']}/admin/usage/")
    expect(admin.get_by_role("alert")).to_contain_text("It could not be fetched.")
    expect(admin.locator("#rankings")).to_have_attribute("aria-busy", "false")
    admin.unroute("**/admin/usage/rankings/**")
    admin.get_by_role("button", name="Try again").click()
    expect(admin.locator("#rankings")).to_have_count(0)
    expect(admin.locator("#rankings-news")).to_have_text("Who called, and what changed most")


@pytest.mark.parametrize("path", ["usage/?period=30d", "analytics/call/", "insights/quotas/"])
def test_what_is_printed_has_no_navigation(demo, admin, path):
    admin.goto(f"{demo['Portal']}/admin/{path}")
    admin.emulate_media(media="print")
    admin.set_viewport_size({"width": 1400, "height": 1000})  # A3, on which the theme has room for its menu.
    expect(admin.get_by_role("heading", level=1)).to_be_visible()
    for what in ("#nav-sidebar", ".skip-link", ".picker__periods", ".usage__tabs", ".insights__tabs", ".calls__head"):
        expect(admin.locator(what).filter(visible=True)).to_have_count(0)


def test_live_calls_show_a_call_soon_after_it_was_made(demo, admin):
    admin.goto(f"{demo['Portal']}/admin/analytics/call/tail/")
    url = f"/nowhere-{uuid4().hex}"
    requests.get(demo["Gateway"] + url, timeout=PATIENCE_SECONDS)
    expect(admin.get_by_text(f"GET {url}")).to_be_visible()
    admin.get_by_role("link", name="Pause").click()
    expect(admin.get_by_role("link", name="Resume")).to_be_focused()
    admin.get_by_role("link", name="Resume").click()
    expect(admin.get_by_role("link", name="Pause")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "",
        "apis/api/1/change/",
        "apis/operation/1/change/",
        "backends/backend/",
        "backends/backend/add/",
        "backends/backend/add/?type=pool",
        "subscriptions/subscription/",
        "accounts/user/",
        "accounts/user/2/change/",
        "accounts/user/step/block/?id=2",
        "audit/entry/",
        "audit/entry/1/change/",
        "notifications/publishernotification/",
        "notifications/publishernotification/1/change/",
        "notifications/outboxmail/",
        "notifications/announcement/",
        "webhooks/endpoint/",
        "webhooks/endpoint/add/",
        "webhooks/delivery/",
        "accounts/group/",
        "accounts/team/",
        "accounts/invitation/",
        "accounts/invitation/add/",
        "accounts/customfield/add/",
        "analytics/call/",
        "analytics/journalpart/",
        "feedback/issue/",
        "notifications/mailtext/",
        "portalsettings/portalsettings/",
        "service/service/",
        "socialaccount/socialapp/add/",
        "subscriptions/product/1/change/",
        "usage/",
        "usage/by/subscription/",
    ],
)
def test_page_has_no_serious_violation(demo, admin, path, scheme):
    admin.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    admin.goto(f"{demo['Portal']}/admin/{path}")
    found = Axe().run(admin, context={"exclude": [[".select2-container"]]}).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []
