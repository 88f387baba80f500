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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90


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
        """The link of the newest confirmation mail to the address, once it has been delivered."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for mail in sorted((self.data / "mail").glob("*"), reverse=True):
                text = mail.read_text().replace("=\n", "")
                found = re.search(r"http://\S+/account/confirm-email/\S+?/", text)
                if address in text and found:
                    return found[0]
            threading.Event().wait(0.2)
        raise AssertionError(f"no confirmation mail to {address}")


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
            stop(process)
            pytest.fail("The start did not finish:\n" + "".join(log[-60:]))
        log.append(line)
        if found := re.match(r"([A-Z][A-Za-z -]+): (.*)", line):
            lines[found[1]] = found[2].strip()
    return process, Running(lines, data)


def read_lines(process: subprocess.Popen, printed: queue.Queue[str]) -> None:
    with process.stdout as lines:
        for line in lines:
            printed.put(line)


INHERITED_NOT = {"SECRET_KEY", "KEY_ENCRYPTION_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE"}


def stop(process: subprocess.Popen) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout=30)
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
    context.set_default_timeout(15_000)
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


@pytest.fixture
def sign_in(demo, page):
    def sign_in(email: str, password: str) -> Page:
        page.goto(f"{demo['Portal']}/account/login/")
        page.locator("input[name=login]").fill(email)
        page.locator("input[name=password]").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(lambda url: "/account/login" not in url)
        return page

    return sign_in
