"""Identity providers in the administration."""

import pytest
from allauth.socialaccount.models import SocialApp
from django.urls import reverse

from accounts import provider_secrets
from tests.accounts import openid_provider
from tests.admin.page_form import errors_of, submit

PAGES = "/admin/socialaccount/socialapp/"
GOOD = {
    "provider": "openid_connect",
    "name": "Contoso ID",
    "provider_id": "contoso",
    "client_id": "portal",
    "new_secret": "s3cret",
}


@pytest.fixture(autouse=True)
def provider(monkeypatch):
    with openid_provider.running() as provider:
        monkeypatch.setitem(GOOD, "server_url", provider.url + "/")
        yield provider


def add(admin, **changes):
    return submit(admin, f"{PAGES}add/", "socialapp_form", **GOOD | changes)


def change(app: SocialApp) -> str:
    return reverse("admin:socialaccount_socialapp_change", args=[app.pk])


def test_provider_is_added_and_its_secret_is_not_shown_again(admin, provider):
    response = add(admin)
    assert response.status_code == 302, errors_of(response)
    app = SocialApp.objects.get()
    assert app.settings["server_url"] == provider.url
    assert provider_secrets.opened(app.settings[provider_secrets.SETTING]) == "s3cret"
    page = admin.get(change(app)).text
    assert "s3cret" not in page
    assert app.settings[provider_secrets.SETTING] not in page
    assert "http://127.0.0.1:8000/account/oidc/contoso/login/callback/" in page


def test_empty_secret_keeps_the_one_that_is_stored(admin):
    add(admin)
    submit(admin, change(SocialApp.objects.get()), "socialapp_form", name="New name", links_by_address="on")
    app = SocialApp.objects.get()
    assert (app.name, app.settings["email_authentication"]) == ("New name", True)
    assert provider_secrets.opened(app.settings[provider_secrets.SETTING]) == "s3cret"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server_url": ""}, "Give the address of the provider"),
        ({"server_url": "javascript:alert(1)"}, "valid URL"),
        ({"server_url": "http://127.0.0.1:9"}, "configuration cannot be read"),
        ({"client_id": ""}, "Give the client id"),
        ({"provider_id": ""}, "Use letters"),
        ({"provider_id": "a b"}, "Use letters"),
        ({"provider_id": "google"}, "There is one already"),
        ({"provider": "saml2"}, "valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_bad_provider_is_refused(admin, changes, message):
    assert message in errors_of(add(admin, **changes))
    assert not SocialApp.objects.exists()


def test_there_is_one_of_a_kind_without_ids(admin):
    google = {"provider": "google", "name": "Google", "server_url": ""}
    assert add(admin, **google).status_code == 302
    assert SocialApp.objects.get().provider_id == ""
    assert "There is one already" in errors_of(add(admin, **google))


@pytest.mark.parametrize("kind", ["google", "github", "microsoft", "openid_connect"])
def test_page_of_each_kind_has_its_redirect_address(admin, kind):
    add(admin, provider=kind)
    assert "/login/callback/" in admin.get(change(SocialApp.objects.get())).text


def test_history_holds_no_secret(admin):
    from django.contrib.admin.models import LogEntry

    add(admin)
    assert "s3cret" not in str(list(LogEntry.objects.values()))


@pytest.mark.parametrize(
    "path",
    ["mfa/authenticator/", "usersessions/usersession/", "socialaccount/socialaccount/", "socialaccount/socialtoken/"],
)
def test_lists_of_the_framework_are_not_offered(admin, path):
    assert admin.get(f"/admin/{path}").status_code == 404
