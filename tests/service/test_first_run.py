"""The first run in the browser, and who may do it."""

import io
import stat

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User
from service import first_run
from service.models import Service
from service.setup import create_service

pytestmark = pytest.mark.usefixtures("built_in_groups")

SETUP = "/setup/"
FORM = {
    "name": "demoazureml",
    "organization_name": "Contoso",
    "administrator_email": "admin@example.org",
    "administrator_password": "a long enough secret",
    "repeated_password": "a long enough secret",
}


@pytest.fixture
def code(data_dir):
    return first_run.setup_code()


@pytest.fixture
def opened(client, code):
    """A browser that has given the code."""
    client.get(SETUP, {"code": code})
    return client


@pytest.mark.parametrize("path", ["/", "/apis/", "/admin/", "/account/login/", "/account/signup/", "/nowhere/"])
def test_every_page_leads_to_set_up(client, code, path):
    assert client.get(path).headers["Location"] == SETUP
    assert client.post(path).headers["Location"] == SETUP


def test_health_is_answered_before_there_is_a_service(client, code):
    assert client.get("/health/").status_code != 302


def test_code_is_readable_by_its_owner_only(data_dir, code):
    assert stat.S_IMODE((data_dir / "setup-code").stat().st_mode) == 0o600
    assert len(code) >= 32


def test_code_stays_the_same_until_it_is_used(code):
    assert first_run.setup_code() == code


def test_command_prints_the_link(settings, code):
    out = io.StringIO()
    call_command("setup_code", stdout=out)
    assert out.getvalue() == f"Set-up: {settings.PORTAL_URL}/setup/?code={code}\n"


def test_command_says_that_the_service_exists(code):
    create_service(name="demo", organization_name="C", administrator_email="a@example.org")
    out = io.StringIO()
    call_command("setup_code", stdout=out)
    assert "The service demo exists." in out.getvalue()
    assert code not in out.getvalue()


def test_right_code_leaves_the_address_bar(client, code):
    response = client.get(SETUP, {"code": code})
    assert response.headers["Location"] == SETUP
    assert "no-store" in response.headers["Cache-Control"]
    assert "Service" in client.get(SETUP).content.decode()


def test_code_can_be_typed(client, code):
    assert client.post(SETUP, {"code": code}).headers["Location"] == SETUP


@pytest.mark.parametrize(
    "wrong", ["", " ", "x", "x" * 32, "ä" * 32, "x" * 100_000, "\x00", "../setup-code", "None"], ids=repr
)
def test_wrong_code_is_refused(client, code, wrong):
    response = client.get(SETUP, {"code": wrong})
    assert response.status_code == 403
    assert client.post(SETUP, FORM).status_code == 200
    assert not Service.objects.exists()


def test_form_without_the_code_makes_nothing(client, code):
    client.post(SETUP, FORM)
    client.post(SETUP, FORM | {"code": "guess"})
    assert not Service.objects.exists()


def test_no_code_file_opens_to_nobody(client, data_dir):
    assert client.get(SETUP, {"code": ""}).status_code == 403
    client.post(SETUP, FORM)
    assert not Service.objects.exists()


def test_guessing_is_stopped(client, code):
    for _ in range(first_run.WRONG_CODES_LIMIT):
        assert client.get(SETUP, {"code": "guess"}).status_code == 403
    assert client.get(SETUP, {"code": code}).status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.get(SETUP, {"code": code}).status_code == 302


def test_new_code_closes_the_page_to_who_had_the_old_one(opened, code):
    first_run.forget_setup_code()
    first_run.setup_code()
    opened.post(SETUP, FORM)
    assert not Service.objects.exists()


def test_administrator_is_signed_in_and_led_on(opened, data_dir):
    response = opened.post(SETUP, FORM)
    assert response.headers["Location"] == reverse("service:next_steps")
    page = opened.get(response.headers["Location"]).content.decode()
    assert "demoazureml is ready" in page
    assert reverse("admin:apis_api_add") in page
    assert not (data_dir / "setup-code").exists()


def test_page_is_gone_once_there_is_a_service(opened, code):
    opened.post(SETUP, FORM)
    for browser in (opened, Client()):
        assert browser.get(SETUP).headers["Location"] == "/"
        assert browser.post(SETUP, FORM | {"administrator_email": "mallory@example.org"}).headers["Location"] == "/"
        assert browser.get(SETUP, {"code": code}).headers["Location"] == "/"
    assert User.objects.get().email == "admin@example.org"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "1 a", "Begin with a letter"),
        ("administrator_email", "nobody", "valid email"),
        ("administrator_email", "=?utf-8?q?a=40b.org=3e?=@example.org", "without “=?”"),
        ("administrator_password", "short", "too short"),
        ("repeated_password", "another", "The passwords differ."),
        ("organization_name", "", "This field is required."),
    ],
)
def test_bad_value_is_shown_beside_its_field(opened, field, value, message):
    values = FORM | {field: value}
    if field == "administrator_password":
        values["repeated_password"] = value
    response = opened.post(SETUP, values)
    assert response.status_code == 422
    assert message in str(response.context["form"].errors[field])
    assert not Service.objects.exists()


def test_passwords_are_told_all_their_faults_at_once(opened):
    response = opened.post(SETUP, FORM | {"administrator_password": "short", "repeated_password": "shorter"})
    errors = response.context["form"].errors
    assert "too short" in str(errors["administrator_password"])
    assert errors["repeated_password"] == ["The passwords differ."]


def test_password_like_the_address_is_refused(opened):
    values = {"administrator_email": "a-long-name@example.org"}
    values |= dict.fromkeys(("administrator_password", "repeated_password"), "a-long-name@example")
    errors = opened.post(SETUP, FORM | values).context["form"].errors
    assert "too similar" in str(errors["administrator_password"])


def test_password_is_not_sent_back(opened):
    page = opened.post(SETUP, FORM | {"name": ""}).content.decode()
    assert FORM["administrator_password"] not in page


def test_next_steps_are_for_administrators(signed_in, alice, code):
    create_service(name="demo", organization_name="C", administrator_email="a@example.org")
    assert signed_in(alice).get(reverse("service:next_steps")).status_code == 403
    assert "/account/login/" in Client().get(reverse("service:next_steps")).headers["Location"]


def test_middleware_asks_the_database_once(rf, code, django_assert_num_queries):
    create_service(name="demo", organization_name="C", administrator_email="a@example.org")
    middleware = first_run.FirstRunMiddleware(lambda request: HttpResponse("page"))
    with django_assert_num_queries(1):
        assert [middleware(rf.get("/apis/")).content for _ in range(3)] == [b"page"] * 3
