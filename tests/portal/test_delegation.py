"""Leading people to an own site that signs them in and sells subscriptions."""

import base64
import hashlib
import hmac
import threading
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client, RequestFactory

from examples.delegation.site import Handler
from portal.account_adapter import AccountAdapter
from portalsettings import validation_key
from portalsettings.models import PortalSettings
from service.setup import create_service
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription
from tests.conftest import PASSWORD

OWN = "https://own.example/enter?lang=en&from="


@pytest.fixture(autouse=True)
def key(db) -> bytes:
    create_service(name="demo", organization_name="Contoso", administrator_email="owner@example.org")
    key = validation_key.regenerate()
    PortalSettings.objects.update(delegation_url=OWN, delegates_sign_in=True, delegates_subscriptions=True)
    return base64.b64decode(key)


def _sent(location: str, key: bytes, *signed: str) -> dict[str, str]:
    """What the own site is told, after the check of its signature."""
    assert location.startswith(OWN + "&")
    query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    lines = "\n".join([query["salt"], *(query[name] for name in signed)]).encode()
    assert base64.b64decode(query["sig"]) == hmac.digest(key, lines, hashlib.sha512)
    return query


@pytest.mark.parametrize(
    ("path", "operation", "place"),
    [
        ("/account/login/?next=/products/", "SignIn", "/products/"),
        ("/account/signup/", "SignUp", "/"),
        ("/account/password/reset/", "SignIn", "/"),
        ("/account/login/?next=https://evil.example/", "SignIn", "/"),
        ("/account/login/?next=/%0Aproducts/", "SignIn", "/"),
    ],
)
def test_visitors_sign_in_at_the_own_site(key, path, operation, place):
    sent = _sent(Client().get(path)["Location"], key, "returnUrl")
    assert (sent["operation"], sent["returnUrl"], sent["lang"]) == (operation, place, "en")


def test_each_signature_has_its_own_salt(key):
    first, second = (_sent(Client().get("/account/login/")["Location"], key, "returnUrl") for _ in range(2))
    assert first["salt"] != second["salt"]


def test_people_change_password_and_address_at_the_own_site(key, alice, signed_in):
    for path, operation in (("/account/password/change/", "ChangePassword"), ("/account/email/", "ChangeProfile")):
        sent = _sent(signed_in(alice).get(path)["Location"], key, "userId")
        assert (sent["operation"], sent["userId"]) == (operation, str(alice.pk))


def test_signing_out_ends_the_portals_session_first(key, alice, signed_in):
    client = signed_in(alice)
    page = client.post("/account/logout/")
    sent = _sent(page.context["target"], key, "userId")
    assert (sent["operation"], sent["userId"]) == ("SignOut", str(alice.pk))
    assert "Location" not in page
    assert client.get("/profile/").status_code == 302


def test_products_are_subscribed_to_at_the_own_site(key, alice, signed_in):
    page = signed_in(alice).post("/products/starter/subscribe/", {"display_name": "S"})
    sent = _sent(page.context["target"], key, "productId", "userId")
    assert (sent["operation"], sent["productId"], sent["userId"]) == ("Subscribe", "starter", str(alice.pk))
    assert not Subscription.objects.exists()


def test_subscriptions_are_cancelled_at_the_own_site_by_their_owner_only(key, alice, mallory, signed_in):
    product = Product.objects.get(name="starter")
    own = lifecycle.subscribe(user=alice, product=product, display_name="S")
    path = f"/profile/subscriptions/{own.pk}/cancel/"
    sent = _sent(signed_in(alice).get(path)["Location"], key, "subscriptionId")
    assert (sent["operation"], sent["subscriptionId"]) == ("Unsubscribe", str(own.pk))
    assert signed_in(mallory).get(path).status_code == 404


def test_administrators_keep_the_portals_own_ways(admin_user, signed_in):
    assert Client().get("/account/login/?next=/admin/").status_code == 200
    client = Client()
    client.post("/account/login/", {"login": admin_user.email, "password": PASSWORD, "next": "/admin/"})
    assert client.get("/admin/").status_code == 200
    assert client.get("/account/password/change/").status_code == 200


def test_others_do_not_get_in_by_the_administrators_door(key, alice):
    client = Client()
    page = client.post("/account/login/", {"login": alice.email, "password": PASSWORD, "next": "/admin/"})
    assert _sent(page.context["target"], key, "returnUrl")["operation"] == "SignIn"
    assert client.get("/profile/").status_code == 302


def test_nobody_signs_up_by_the_administrators_door(key):
    sent = _sent(Client().get("/account/signup/?next=/admin/")["Location"], key, "returnUrl")
    assert sent["operation"] == "SignUp"
    assert Client().post("/account/signup/?next=/admin/", {}).context["target"].startswith(OWN)


def test_sign_up_through_a_provider_is_closed(key):
    assert not AccountAdapter().is_open_for_signup(RequestFactory().get("/"))


def test_nothing_is_delegated_without_the_switches(alice, signed_in):
    PortalSettings.objects.update(delegates_sign_in=False, delegates_subscriptions=False)
    assert Client().get("/account/login/").status_code == 200
    signed_in(alice).post("/products/starter/subscribe/", {"display_name": "S"})
    assert Subscription.objects.exists()


@pytest.fixture
def own_site(key, monkeypatch):
    """The example, running."""
    monkeypatch.setenv("VALIDATION_KEY", base64.b64encode(key).decode())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        PortalSettings.objects.update(delegation_url=url)
        yield url
        server.shutdown()


def test_journey_through_the_example_site(own_site, settings):
    browser = Client()
    asked = browser.get("/account/login/?next=/products/")["Location"]
    assert 'name="email"' in requests.get(asked, timeout=60).text
    back = requests.post(asked, {"email": "dora@example.org"}, timeout=60, allow_redirects=False).headers["Location"]
    assert back.startswith(settings.PORTAL_URL + "/signin-sso/")
    assert browser.get(back.removeprefix(settings.PORTAL_URL))["Location"] == "/products/"
    assert "dora@example.org" in browser.get("/profile/account/").text


def test_example_site_refuses_what_the_portal_did_not_sign(own_site):
    asked = Client().get("/account/login/")["Location"]
    assert requests.get(asked.replace("SignIn", "SignOut"), timeout=60).status_code == 403
    assert requests.get(own_site, timeout=60).status_code == 403
    assert requests.post(asked.replace("sig=", "sig=x"), {"email": "a@b.example"}, timeout=60).status_code == 403
