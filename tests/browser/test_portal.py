"""What only a browser shows of the portal: copying, layout on a phone, themes, and the console's script."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import INHERITED_NOT, PATIENCE_SECONDS, ROOT, Running, until

PHONE = {"width": 360, "height": 800}
EXECUTE = "/apis/azureml-demo-api/rrs-execute/"
ADD_API = """
from apis.models import API, Operation, Parameter
from subscriptions.models import Product
API.objects.filter(name="wide").delete()
Product.objects.filter(name="wide").delete()
word = "x" * 400
api = API.objects.create(name="wide", display_name="x" * 100, description=word, path="wide",
                         service_url="http://127.0.0.1:{port}", scheme="both", subscription_required=False)
operation = Operation.objects.create(api=api, name="get", display_name="y" * 300, description="# " + word,
                                     request_description=word, method="GET", url_template="/get")
Parameter.objects.create(operation=operation, location="query", name="q" * 100, description=word)
product = Product.objects.create(name="wide", display_name="z" * 300, description=word, state="published")
product.apis.add(api)
product.groups.set(Product.objects.get(name="starter").groups.all())
"""


@dataclass
class Endless:
    """A backend that takes a call and never answers it."""

    listener: socket.socket
    reached: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(65536).startswith(b"GET"):
                    self.reached.set()
                    if connection.recv(1) == b"":
                        self.hung_up.set()

    def expect_call(self) -> None:
        self.reached.clear()
        self.hung_up.clear()


@pytest.fixture(scope="module")
def backend(demo: Running) -> Iterator[Endless]:
    """The backend of an API "wide", everything of which has names and texts as long as can be."""
    endless = Endless(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=endless.serve)
    thread.start()
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED_NOT}
    secrets = {f"{name}_FILE": str(demo.data / name.lower()) for name in ("SECRET_KEY", "KEY_ENCRYPTION_KEY")}
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", ADD_API.format(port=endless.port)],
        cwd=ROOT,
        env={**environment, **secrets, "DATA_DIR": str(demo.data)},
        check=True,
    )
    until(lambda: is_called_through(demo["Gateway"], endless))
    yield endless
    endless.listener.shutdown(socket.SHUT_RDWR)
    endless.listener.close()
    thread.join()


def is_called_through(gateway: str, endless: Endless) -> bool:
    """Whether the gateway knows the API by now."""
    with contextlib.suppress(requests.Timeout):
        requests.get(f"{gateway}/wide/get", timeout=1)
    return endless.reached.is_set()


@pytest.fixture
def goto(demo, page):
    def goto(address: str, page: Page = page) -> Page:
        page.goto(f"{demo['Portal']}{address}")
        return page

    return goto


def send(page: Page) -> None:
    page.locator("[data-send]").click()


def test_base_url_is_copied(goto, demo, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = goto("/apis/azureml-demo-api/")
    button = page.locator(".copy-line button").first
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{demo['Gateway']}/azureml-demo"


@pytest.mark.parametrize(
    "address", ["/", "/apis/", "/apis/wide/", "/apis/wide/get/", "/products/", "/products/wide/", "/search/?q=xxx"]
)
def test_no_page_scrolls_sideways_on_a_phone(goto, page, backend, address):
    page.set_viewport_size(PHONE)
    goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_operations_are_folded_on_a_phone_and_open_on_a_desk(goto):
    page = goto(EXECUTE)
    link = page.get_by_role("navigation", name=re.compile("^Operations of")).locator("[aria-current=page]")
    expect(link).to_be_visible()
    page.set_viewport_size(PHONE)
    expect(link).to_be_hidden()
    page.locator("summary", has_text="Operations").click()
    expect(link).to_be_visible()
    assert link.bounding_box()["y"] < page.get_by_role("heading", level=1).bounding_box()["y"]


def test_theme_switch_names_its_theme(goto):
    switch = goto("/apis/").locator("[data-theme-switch]")
    for name in ("Auto", "Light", "Dark", "Auto"):
        expect(switch).to_have_text(name, use_inner_text=True)
        expect(switch).to_have_attribute("aria-label", re.compile(name, re.IGNORECASE))
        switch.click()


def test_badge_stands_in_the_line_of_the_url(goto, backend):
    page = goto("/apis/wide/get/")
    badge, text = page.locator(".console-url .method").bounding_box(), page.locator("#console-url").bounding_box()
    assert abs(badge["y"] + badge["height"] / 2 - text["y"] - text["height"] / 2) <= 2


def test_what_was_typed_is_forgotten_after_signing_out(goto, demo, sign_in, page):
    everything_stored = "JSON.stringify([{...localStorage}, {...sessionStorage}])"
    sign_in(*demo["Developer"].split())
    goto(EXECUTE)
    page.locator("[data-body]").fill("confidential")
    assert "confidential" in page.evaluate(everything_stored)
    page.get_by_role("banner").locator("summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    assert "confidential" not in page.evaluate(everything_stored)


def test_send_after_signing_out_in_another_tab_says_why_and_keeps_the_inputs(goto, demo, sign_in, page, context):
    sign_in(*demo["Developer"].split())
    goto(EXECUTE)
    page.locator("[data-body]").fill('{"kept": true}')
    page.wait_for_function("document.querySelector('#console-code').textContent.includes('kept')")
    other = goto("/account/logout/", context.new_page())
    other.locator("main").get_by_role("button", name="Sign out").click()
    sign_in(*demo["Developer"].split(), page=other)
    send(page)
    expect(page.locator(".messages")).to_contain_text("You signed in or out after this page was opened")
    expect(page.locator("#console-status")).to_contain_text("Your inputs are back")
    expect(page.locator("[data-body]")).to_have_value('{"kept": true}')
    send(page)
    expect(page.locator("#console-response")).to_contain_text("Response status")


@pytest.mark.parametrize("way", ["Escape", "leaving the page"])
def test_cancelling_ends_the_call_to_the_backend(goto, backend, way):
    page = goto("/apis/wide/get/")
    backend.expect_call()
    send(page)
    assert backend.reached.wait(PATIENCE_SECONDS)
    if way == "Escape":
        page.keyboard.press("Escape")
        expect(page.locator("#console-status")).to_contain_text("Cancelled")
    else:
        goto("/apis/")
    assert backend.hung_up.wait(PATIENCE_SECONDS)


def test_many_cancelled_calls_leave_room_for_the_next(goto, backend):
    page = goto("/apis/wide/get/")
    for _ in range(5):
        backend.expect_call()
        send(page)
        assert backend.reached.wait(PATIENCE_SECONDS)
        page.keyboard.press("Escape")
        expect(page.locator("#console-status")).to_contain_text("Cancelled")
        assert backend.hung_up.wait(PATIENCE_SECONDS)
