"""The page of the portal's settings, and of custom fields."""

import pytest

from accounts.models import CustomField
from portalsettings import validation_key
from portalsettings.models import PortalSettings, Terms, current
from service.models import Service

PAGE = "/admin/portalsettings/portalsettings/1/change/"
VALUES = {"sign_up": "open", "issues": "off"}


@pytest.fixture(autouse=True)
def service(db) -> Service:
    return Service.objects.create(name="demo", organization_name="Contoso", administrator_email="admin@example.org")


@pytest.fixture
def client(admin_user, signed_in):
    browser = signed_in(admin_user)
    assert browser.get("/admin/portalsettings/portalsettings/")["Location"] == PAGE
    return browser


def test_settings_are_saved(client):
    client.post(PAGE, {**VALUES, "sign_up": "closed", "allowed_domains": "Example.org\n*.MÜNCHEN.example"})
    assert current().sign_up == "closed"
    assert current().domains == ["example.org", "*.xn--mnchen-3ya.example"]


def test_each_change_of_the_terms_is_a_version(client):
    for text in ("One", "Two", "Two", ""):
        client.post(PAGE, {**VALUES, "terms": text})
    assert list(Terms.objects.values_list("text", flat=True)) == ["One", "Two", ""]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"allowed_domains": "not a domain"}, "not is no domain"),
        ({"delegates_sign_in": "on"}, "Give the delegation URL first."),
        ({"delegation_url": "javascript:alert(1)"}, "Enter a valid URL."),
        ({"delegation_url": "https://example.org/#part"}, "without a fragment"),
        ({"sign_up": "perhaps"}, "Select a valid choice"),
    ],
)
def test_bad_settings_are_refused(client, values, says):
    assert says in client.post(PAGE, {**VALUES, **values}).text
    assert PortalSettings.objects.get().sign_up == "open"


def test_validation_key_is_shown_once_and_kept_sealed(client):
    url = "/admin/portalsettings/portalsettings/validation-key/"
    assert client.get(url).status_code == 200
    assert validation_key.key_of(current()) is None
    page = client.post(url)
    key = validation_key.key_of(current())
    assert page.context["key"] in page.text
    assert len(key) == 64
    assert page.context["key"] not in PortalSettings.objects.get().delegation_key
    assert page.context["key"] not in client.get(url).text
    client.post(url)
    assert validation_key.key_of(current()) != key


def test_custom_fields_are_defined(client):
    url = "/admin/accounts/customfield/add/"
    values = {"label": "Colour", "kind": "choice", "choices": "", "max_length": "10", "position": "0"}
    assert "Write the choices, one a line." in client.post(url, values).text
    client.post(url, {**values, "choices": "Red\nBlue"})
    assert CustomField.objects.get().choice_list == ["Red", "Blue"]


def test_only_administrators_see_the_settings(alice, signed_in):
    for path in (PAGE, "/admin/portalsettings/portalsettings/validation-key/"):
        assert signed_in(alice).get(path).status_code in (302, 403)
