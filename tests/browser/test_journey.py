"""The main journey: sign up, subscribe, take the key, call, see the call counted."""

import os
import re
import subprocess
import sys

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PAGE_MILLISECONDS, PATIENCE_SECONDS, ROOT, enter_password, until

EXECUTE = "/apis/azureml-demo-api/rrs-execute/"


def send(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Send")).first.click()


def answer(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Try it").get_by_text("200 OK", exact=True)


def test_a_developer_signs_up_subscribes_and_makes_the_first_call(demo, newcomer, page):
    page.goto(f"{demo['Portal']}{EXECUTE}")
    expect(page.locator("main")).to_contain_text("Starter")
    page.goto(f"{demo['Portal']}/products/starter/")
    page.get_by_role("complementary").get_by_role("textbox").fill("My first key")
    page.get_by_role("button", name="Subscribe").click()

    page.goto(f"{demo['Portal']}/profile/")
    card = page.get_by_role("article").filter(has_text="My first key")
    card.get_by_role("button", name="Show").first.click()
    expect(card.get_by_text(re.compile(r"^[0-9a-f]{32}$"))).to_be_visible()
    key = card.get_by_text(re.compile(r"^[0-9a-f]{32}$")).inner_text()

    page.goto(f"{demo['Portal']}{EXECUTE}")
    send(page)
    expect(answer(page)).to_be_visible()
    assert key not in page.content()

    def is_counted() -> bool:
        page.goto(f"{demo['Portal']}/profile/")
        return "99" in page.get_by_role("article").filter(has_text="My first key").inner_text()

    until(is_counted)


def test_the_first_send_with_nothing_typed_answers_with_the_vector(demo, sign_in, page):
    sign_in(*demo["Developer"].split())
    page.goto(f"{demo['Portal']}{EXECUTE}")
    page.keyboard.press("Control+Enter")
    expect(answer(page)).to_be_visible()
    response = page.locator("main").inner_text()
    assert re.search(r'"1",\s+"1",\s+"2",\s+"2",\s+"0",\s+"2",\s+"0",\s+"1"', response)
    assert f"{demo['Gateway']}/azureml-demo/workspaces/" in response
    assert "X-Request-Id" in response
    assert demo["Subscription key"] not in page.content()


def test_the_console_works_without_javascript(demo, chromium):
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(PAGE_MILLISECONDS)
    page = context.new_page()
    page.goto(f"{demo['Portal']}/account/login/?next={EXECUTE}")
    enter_password(page, *demo["Developer"].split())
    send(page)
    expect(answer(page)).to_be_visible()
    expect(page.get_by_role("heading", name="RRS Execute")).to_be_visible()
    context.close()


def test_the_printed_curl_line_works_in_a_shell(demo):
    called = subprocess.run(demo["Try"], shell=True, capture_output=True, text=True)
    assert '["1", "1", "2", "2", "0", "2", "0", "1"]' in called.stdout


def run_client(name: str, demo, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, f"examples/clients/{name}.py", "--gateway", demo["Gateway"]),
            *("--subscription-key", demo["Subscription key"], "--api-key", demo["AzureML key"], *arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(demo.data)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_the_request_response_client_prints_the_vector(demo):
    called = run_client("rrs", demo, "--text", "This is a good day")
    assert called.stdout.splitlines()[-1] == "1 1 2 2 0 2 0 1", called.stderr


def test_the_batch_client_writes_the_result(demo, tmp_path):
    (tmp_path / "in.csv").write_text("Col2\nThis is a good day\n")
    called = run_client("bes", demo, "--input", f"{tmp_path}/in.csv", "--output", f"{tmp_path}/out.csv")
    assert called.returncode == 0, called.stderr + called.stdout
    assert (tmp_path / "out.csv").read_text().splitlines()[1].endswith("1,1,2,2,0,2,0,1")


@pytest.mark.parametrize("name", ["rrs", "bes"])
def test_a_client_shows_the_services_error_and_fails(demo, tmp_path, name):
    (tmp_path / "in.csv").write_text("Col2\nThis is a good day\n")
    arguments = ["--text", "x"] if name == "rrs" else ["--input", f"{tmp_path}/in.csv", "--output", f"{tmp_path}/out"]
    called = run_client(name, demo, "--subscription-key", "0" * 32, *arguments)
    assert called.returncode != 0
    assert "invalid subscription key" in (called.stderr + called.stdout) or name == "bes"


def test_the_sixth_call_within_a_minute_is_refused(demo):
    url = f"{demo['Gateway']}/azureml-demo/workspaces/w/services/s/jobs/1?api-version=2.0"
    key = {"Ocp-Apim-Subscription-Key": demo["Starter key"]}

    def nobody_has_called_for_a_minute() -> bool:
        limits = requests.get(f"{demo['Portal']}/usage", headers=key, timeout=PATIENCE_SECONDS).json()["limits"]
        return [limit["used"] for limit in limits if limit["kind"] == "rate"] == [0]

    until(nobody_has_called_for_a_minute)
    answers = [requests.get(url, headers=key, timeout=PATIENCE_SECONDS) for _ in range(6)]
    assert [answer.status_code for answer in answers].count(429) == 1
    refused = answers[-1]
    wait = int(refused.headers["Retry-After"])
    assert refused.text == f'{{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in {wait} seconds." }}'
