"""What administrators ask beside the name."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts import custom_fields
from accounts.models import CustomField, User
from tests.accounts.conftest import NEW
from tests.conftest import PASSWORD

Kind = CustomField.Kind
CASES = {
    "text": (Kind.TEXT, "Contoso", "Contoso", "x" * 201),
    "choice": (Kind.CHOICE, "Red", "Red", "Green"),
    "number": (Kind.NUMBER, "12.50", "12.50", "many"),
    "infinity": (Kind.NUMBER, "0", "0", "Infinity"),
    "url": (Kind.URL, "https://example.org/x", "https://example.org/x", "javascript:alert(1)"),
    "ftp": (Kind.URL, "http://example.org/", "http://example.org/", "ftp://example.org/"),
    "text direction": (Kind.TEXT, "a", "a", "a\u202eb"),
}


def _field(kind: str, **fields) -> CustomField:
    return CustomField.objects.create(label="Company", kind=kind, choices="Red\nBlue", **fields)


@pytest.mark.parametrize("case", CASES)
def test_field_is_asked_at_sign_up_and_checked(case):
    kind, good, kept, bad = CASES[case]
    field = _field(kind, required=True)
    assert "Company" in Client().get("/account/signup/").text
    for value in ("", bad):
        Client().post("/account/signup/", {**NEW, f"custom_{field.pk}": value})
        assert not User.objects.exists()
    Client().post("/account/signup/", {**NEW, f"custom_{field.pk}": good})
    assert custom_fields.own_data(User.objects.get()) == {"Company": kept}


def test_field_is_changed_in_the_profile(alice, signed_in):
    text, box = _field(Kind.TEXT), CustomField.objects.create(label="News", kind=Kind.CHECK_BOX)
    client = signed_in(alice)
    names = {"first_name": "A", "last_name": "B"}
    client.post("/profile/name/", {**names, f"custom_{text.pk}": "Contoso", f"custom_{box.pk}": "on"})
    assert custom_fields.own_data(alice) == {"Company": "Contoso", "News": "yes"}
    assert 'value="Contoso"' in client.get("/profile/account/").text
    client.post("/profile/name/", names)
    assert custom_fields.own_data(alice) == {}


def test_who_has_not_told_what_is_required_is_asked_at_sign_in(alice):
    field = _field(Kind.TEXT, required=True, help_text="Where you work")
    client = Client()
    way = {"login": alice.email, "password": PASSWORD, "next": "/products/"}
    assert client.post("/account/login/", way)["Location"] == "/account/profile/"
    assert "Where you work" in client.get("/account/profile/").text
    assert "This field is required" in client.post("/account/profile/", {"first_name": "A"}).text
    assert client.get("/profile/").status_code == 302
    told = {"first_name": "A", "last_name": "B", f"custom_{field.pk}": "Contoso"}
    assert client.post("/account/profile/", told)["Location"] == "/products/"
    assert client.get("/profile/").status_code == 200
    assert custom_fields.own_data(alice) == {"Company": "Contoso"}
    assert Client().post("/account/login/", way)["Location"] == "/products/"


def test_who_does_not_tell_is_not_signed_in(alice):
    _field(Kind.TEXT, required=True)
    client = Client()
    client.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    assert client.post("/account/profile/", {"decline": "1"})["Location"] == "/account/login/"
    assert client.get("/account/profile/")["Location"] == "/account/login/"


def test_help_stands_beside_a_check_box_too():
    _field(Kind.CHECK_BOX, help_text="Twice a year")
    assert "Twice a year" in Client().get("/account/signup/").text


def test_choice_needs_choices():
    with pytest.raises(ValidationError, match="one a line"):
        CustomField(label="Colour", kind=Kind.CHOICE).full_clean()


def test_administrators_see_and_find_what_was_filled_in(alice, bob, admin_user, signed_in):
    field = _field(Kind.TEXT)
    custom_fields.save(alice, {f"custom_{field.pk}": "Wide World Importers"})
    admin = signed_in(admin_user)
    assert "Wide World Importers" in admin.get(f"/admin/accounts/user/{alice.pk}/change/").text
    found = admin.get("/admin/accounts/user/?q=wide+world").text
    assert (alice.email in found, bob.email in found) == (True, False)
