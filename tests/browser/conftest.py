"""A running demo and a real Chromium."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a long enough pass phrase"
# Nothing waits that long but on a machine that is very busy, or for what does not happen.
START_SECONDS = 600
PATIENCE_SECONDS = 120
PAGE_MILLISECONDS = 120_000

expect.set_options(timeout=PAGE_MILLISECONDS)


def until(condition: Callable[[], T]) -> T:
    """What the condition comes to, once it is true. Asked twice a second: the product refuses who asks more."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"it did not happen within {PATIENCE_SECONDS} seconds"
        time.sleep(0.5)
    return found


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass(frozen=True)
class Running:
    """What a start printed, and where its data lies."""

    lines: dict[str, str]
    data: Path

    def __getitem__(self, name: str) -> str:
        return self.lines[name]

    def confirmation_link(self, address: str) -> str:
        """The link of the confirmation mail to the address, once it has been delivered."""

        def link() -> str:
            for mail in (self.data / "mail").glob("*"):
                text = mail.read_text().replace("=\n", "")
                found = re.search(r"http://\S+/account/confirm-email/\S+?/", text)
                if address in text and found:
                    return found[0]
            return ""

        return until(link)


def start(
    data: Path, *arguments: str, last: str, settings: Mapping[str, str] = MappingProxyType({})
) -> tuple[subprocess.Popen, Running]:
    """Start the product and read what it prints up to the line that begins with `last`."""
    portal, gateway, management, azureml = free_ports(4)
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.start", *arguments],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name not in INHERITED_NOT},
            "DATA_DIR": str(data),
            "PORTAL_PORT": str(portal),
            "GATEWAY_PORT": str(gateway),
            "GATEWAY_MANAGEMENT_PORT": str(management),
            "AZUREML_PORT": str(azureml),
            **settings,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed: queue.Queue[str] = queue.Queue()
    threading.Thread(target=read_lines, args=(process, printed), daemon=True).start()
    lines, log = {"Backend port": str(azureml), "Management port": str(management)}, []
    deadline = time.monotonic() + START_SECONDS
    while last not in lines:
        try:
            line = printed.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            line = ""
        if not line:
            stop(process)
            pytest.fail("The start did not finish:\n" + "".join(log[-60:]))
        log.append(line)
        if found := re.match(r"([A-Z][A-Za-z -]+): (.*)", line):
            lines[found[1]] = found[2].strip()
    return process, Running(lines, data)


def read_lines(process: subprocess.Popen, printed: queue.Queue[str]) -> None:
    """An empty one says that there will be no more."""
    with process.stdout as lines:
        for line in lines:
            printed.put(line)
    printed.put("")


INHERITED_NOT = {"SECRET_KEY", "KEY_ENCRYPTION_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE"}


def stop(process: subprocess.Popen) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Iterator[Running]:
    """`make demo`, in a folder with a space in its name."""
    process, running = start(tmp_path_factory.mktemp("demo data"), "--demo", last="Try")
    yield running
    assert stop(process) == 0


@pytest.fixture
def context(chromium) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PAGE_MILLISECONDS)
    yield context
    context.close()


@pytest.fixture
def page(context) -> Iterator[Page]:
    """A page that fails its test when a script on it fails."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


def enter_password(page: Page, email: str, password: str) -> None:
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()


def signed_in(page: Page, demo: Running, email: str, password: str) -> Page:
    page.goto(f"{demo['Portal']}/account/login/")
    enter_password(page, email, password)
    page.wait_for_url(lambda url: "/account/login" not in url)
    return page


@pytest.fixture
def sign_in(demo, page) -> Callable[..., Page]:
    """For tests that end the session, or sign in as somebody of their own."""

    def sign_in(email: str, password: str, page: Page = page) -> Page:
        return signed_in(page, demo, email, password)

    return sign_in


def state_of(who: str, demo: Running, chromium: Browser) -> StorageState:
    """The cookies of somebody who has signed in."""
    context = chromium.new_context()
    context.set_default_timeout(PAGE_MILLISECONDS)
    signed_in(context.new_page(), demo, *demo[who].split())
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="session")
def developer_state(demo, chromium) -> StorageState:
    """A session that many tests share, so none of them may end it."""
    return state_of("Developer", demo, chromium)


@pytest.fixture(scope="session")
def administrator_state(demo, chromium) -> StorageState:
    """A session that many tests share, so none of them may end it."""
    return state_of("Administrator", demo, chromium)


@pytest.fixture
def newcomer(demo, page) -> str:
    """The address of somebody new, who has signed up and confirmed it on the page."""
    email = f"newcomer-{uuid4().hex}@example.org"
    page.goto(demo["Portal"])
    page.get_by_role("link", name="Sign up").first.click()
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=first_name]").fill("Nina")
    page.locator("input[name=last_name]").fill("Newcomer")
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("input[name=password2]").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    page.goto(demo.confirmation_link(email))
    page.get_by_role("button", name="Yes, confirm").click()
    page.wait_for_url(lambda url: "/confirm-email/" not in url)
    if "/login" in page.url:
        enter_password(page, email, PASSWORD)
        page.wait_for_url(lambda url: "/login" not in url)
    return email
