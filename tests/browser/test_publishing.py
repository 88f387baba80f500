"""From nothing to a published API: first run, an API, its operations, and a call, all in the browser."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, PATIENCE_SECONDS, start, stop, until

SERVICE = "/workspaces/{workspace}/services/{service}"
OPERATIONS = [
    ("RRS Execute", "POST", f"{SERVICE}/execute?api-version={{apiversion}}&details={{details}}"),
    ("BES Submit", "POST", f"{SERVICE}/jobs?api-version={{apiversion}}"),
    ("BES Start", "POST", f"{SERVICE}/jobs/{{jobid}}/start?api-version={{apiversion}}"),
    ("BES Status", "GET", f"{SERVICE}/jobs/{{jobid}}?api-version={{apiversion}}"),
    ("BES Delete", "DELETE", f"{SERVICE}/jobs/{{jobid}}?api-version={{apiversion}}"),
]
VALUES = {"workspace": "w", "service": "s", "apiversion": "2.0", "details": "true"}


@pytest.fixture
def fresh(tmp_path_factory):
    """A start without any data."""
    process, running = start(tmp_path_factory.mktemp("fresh data"), last="Set-up")
    yield running
    assert stop(process) == 0


def press_save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).last.click()
    page.wait_for_load_state()


def test_a_publisher_creates_the_service_and_publishes_an_api(fresh, demo, page):
    page.goto(fresh["Set-up"].split("/setup/")[0])
    assert "/setup/" in page.url, "before there is a service every page leads to the set-up"

    page.goto(fresh["Set-up"])
    page.locator("[name=name]").fill("demoazureml")
    page.locator("[name=organization_name]").fill("Contoso")
    page.locator("[name=administrator_email]").fill("boss@example.org")
    page.locator("[name=administrator_password]").fill(PASSWORD)
    page.locator("[name=repeated_password]").fill(PASSWORD)
    page.get_by_role("button", name="Create service").click()
    page.wait_for_load_state()
    portal = page.url.split("/setup/")[0]

    gateway = add_api(page, portal, demo["Backend port"])
    for name, method, template in OPERATIONS:
        add_operation(page, portal, name, method, template)
    status = f"{gateway}/workspaces/w/services/s/jobs/1?api-version=2.0"
    until(lambda: requests.get(status, timeout=PATIENCE_SECONDS).status_code == 401)

    page.goto(f"{portal}/apis/azureml-demo-api/rrs-execute/")
    expect(page.get_by_role("complementary", name="Try it")).to_contain_text("Starter")
    page.goto(f"{portal}/products/starter/")
    page.get_by_role("complementary").get_by_role("textbox").fill("Mine")
    page.get_by_role("button", name="Subscribe").click()

    page.goto(f"{portal}/apis/azureml-demo-api/rrs-execute/")
    console = page.get_by_role("complementary", name="Try it")
    for name, value in VALUES.items():
        console.get_by_role("textbox", name=name).fill(value)
    console.get_by_role("button", name="Send").click()
    expect(console).to_contain_text("ScoreRequestUnauthorized")


def add_api(page: Page, portal: str, backend_port: str) -> str:
    """Returns the API's URL, as the form shows it while it is filled in."""
    page.goto(f"{portal}/admin/apis/api/add/")
    page.locator("[name=display_name]").fill("AzureML Demo API")
    page.locator("[name=service_url]").fill(f"http://127.0.0.1:{backend_port}")
    page.locator("[name=path]").fill("azureml-demo")
    page.locator("[name=scheme]").select_option("both")
    page.locator(".field-products .select2-selection").click()
    page.get_by_role("option", name="Starter").click()
    shown = page.get_by_text(re.compile(r"^http://[0-9.:]+/azureml-demo$"))
    url = shown.inner_text()
    press_save(page)
    return url


def add_operation(page: Page, portal: str, name: str, method: str, template: str) -> None:
    page.goto(f"{portal}/admin/apis/api/")
    page.get_by_role("link", name="AzureML Demo API").first.click()
    page.get_by_role("link", name="Add operation").first.click()
    page.locator("[name=display_name]").fill(name)
    page.locator("[name=method]").fill(method)
    page.locator("[name=url_template]").press_sequentially(template)
    names = re.findall(r"{(\w+)}", template)
    found = page.locator("input[name$='-name']:visible")
    expect(found.nth(len(names) - 1)).to_be_visible()
    assert [field.input_value() for field in found.all()] == names
    press_save(page)
    expect(page.locator(".errorlist, .errornote")).to_have_count(0)
