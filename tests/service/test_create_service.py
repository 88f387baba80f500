"""Making the service: the function and the command."""

import io
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from service.models import Service
from service.setup import ServiceExists, create_service
from subscriptions.models import Product

pytestmark = pytest.mark.usefixtures("built_in_groups", "data_dir")

VALUES = {
    "name": "demoazureml",
    "organization_name": "Contoso",
    "administrator_email": "Admin@Example.org",
    "administrator_password": "a long enough secret",
}


def test_service_has_its_administrator():
    service = create_service(**VALUES)
    user = User.objects.get()
    assert service.administrator_email == user.email == "admin@example.org"
    assert user.is_superuser
    assert user.check_password(VALUES["administrator_password"])
    assert EmailAddress.objects.filter(user=user, email=user.email, verified=True, primary=True).exists()


def test_administrator_can_sign_in():
    create_service(**VALUES)
    client = Client()
    client.post(reverse("account_login"), {"login": "ADMIN@example.org", "password": VALUES["administrator_password"]})
    assert client.get(reverse("admin:index")).status_code == 200


def test_products_are_there_from_the_start():
    create_service(**VALUES)
    starter, unlimited = Product.objects.order_by("position")
    assert (starter.name, starter.state, starter.approval_required) == ("starter", "published", False)
    assert (unlimited.name, unlimited.state, unlimited.approval_required) == ("unlimited", "published", True)
    assert (starter.subscriptions_limit, unlimited.subscriptions_limit) == (1, None)
    assert 'calls="5" renewal-period="60"' in starter.policy.document
    for product in (starter, unlimited):
        assert set(product.groups.values_list("name", flat=True)) == {"administrators", "developers", "guests"}


def test_there_is_only_one_service():
    create_service(**VALUES)
    with pytest.raises(ServiceExists):
        create_service(**VALUES | {"name": "second", "administrator_email": "second@example.org"})
    assert Service.objects.get().name == "demoazureml"
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name", ""),
        ("name", "1abc"),
        ("name", "abc-"),
        ("name", "a b"),
        ("name", "abc\n"),
        ("name", "ä"),
        ("name", "a" * 51),
        ("organization_name", ""),
        ("organization_name", "x" * 101),
        ("administrator_email", "nobody"),
        ("administrator_email", "=?utf-8?q?a=40b.org=3e?=@example.org"),
        ("administrator_email", "a@b\r\nBcc: c@d.org"),
        ("administrator_password", "short"),
        ("administrator_password", "12345678901234"),
        ("administrator_password", "password123"),
        ("administrator_password", "admin@example.org"),
    ],
)
def test_bad_value_is_refused_and_named(argument, value):
    with pytest.raises(ValidationError) as refused:
        create_service(**VALUES | {argument: value})
    assert set(refused.value.message_dict) == {argument}
    assert not Service.objects.exists()
    assert not User.objects.exists()
    assert not Product.objects.exists()


def test_command_makes_the_service(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a long enough secret\n"))
    out = io.StringIO()
    call_command(
        "create_service",
        "--password-stdin",
        name="demoazureml",
        organization="Contoso",
        email="admin@example.org",
        stdout=out,
    )
    assert "demoazureml" in out.getvalue()
    assert "secret" not in out.getvalue()
    assert User.objects.get().check_password("a long enough secret")


def test_command_without_password_says_how_to_set_one(monkeypatch, settings, mailoutbox):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    out = io.StringIO()
    call_command("create_service", name="demo", organization="Contoso", email="admin@example.org", stdout=out)
    assert settings.PORTAL_URL + reverse("account_reset_password") in out.getvalue()
    assert not User.objects.get().has_usable_password()
    Client().post(reverse("account_reset_password"), {"email": "admin@example.org"})
    assert [mail.to for mail in mailoutbox] == [["admin@example.org"]]


def test_command_names_the_option_that_is_wrong(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match="--email: "):
        call_command("create_service", name="demo", organization="Contoso", email="nobody")


def test_command_refuses_a_second_service(monkeypatch):
    create_service(**VALUES)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match="exists already"):
        call_command("create_service", name="demo", organization="Contoso", email="second@example.org")


def test_command_ends_the_first_run(monkeypatch, data_dir: Path):
    call_command("setup_code", stdout=io.StringIO())
    assert (data_dir / "setup-code").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    call_command("create_service", name="demo", organization="C", email="a@example.org", stdout=io.StringIO())
    assert not (data_dir / "setup-code").exists()
