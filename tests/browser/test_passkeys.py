"""Passkeys, with an authenticator that Chromium plays. They need a name: browsers give none to 127.0.0.1."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, enter_password


@pytest.fixture
def portal(demo) -> str:
    return demo["Portal"].replace("127.0.0.1", "localhost")


@pytest.fixture
def device(context, page) -> None:
    """A device with a fingerprint reader, on which the right finger lies."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def _enter_password_again(page: Page) -> None:
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


def _sign_out(page: Page, portal: str) -> None:
    page.goto(f"{portal}/account/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_passkey_is_added_signs_in_is_a_second_step_and_goes(newcomer, portal, page, device):
    page.goto(f"{portal}/account/login/?next=/account/2fa/webauthn/add/")
    enter_password(page, newcomer, PASSWORD)
    _enter_password_again(page)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert re.fullmatch(r"(\d{8}\n){10}", download.value.path().read_text())

    _sign_out(page, portal)
    page.goto(f"{portal}/account/login/?next=/profile/security/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Security")).to_be_visible()

    _sign_out(page, portal)
    page.goto(f"{portal}/account/login/?next=/profile/security/")
    enter_password(page, newcomer, PASSWORD)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Security")).to_be_visible()

    page.get_by_role("link", name="Remove Passkey 1").click()
    _enter_password_again(page)
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("The passkey is removed.")).to_be_visible()


def test_passkey_that_is_not_there_is_told(portal, page, device):
    page.goto(f"{portal}/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").get_by_text("The passkey could not be used")).to_be_visible()
