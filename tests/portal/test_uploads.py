"""Files that nobody asked for are not kept."""

import tempfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User

PASSWORD = "correct horse battery"
# More than Django keeps in memory.
LARGE = b"x" * 2**22


pytestmark = pytest.mark.usefixtures("service")


@pytest.fixture
def no_file_is_made(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr("django.core.files.temp.NamedTemporaryFile", refuse)
    monkeypatch.setattr("django.core.files.uploadedfile.tempfile.NamedTemporaryFile", refuse)


def _with_files(fields: dict[str, str]) -> dict[str, object]:
    return fields | {f"file{number}": SimpleUploadedFile(f"{number}.bin", LARGE) for number in range(3)}


def test_stranger_leaves_no_file_and_the_form_works(no_file_is_made, alice):
    client = Client()
    client.post("/account/login/", _with_files({"login": alice.email, "password": PASSWORD}))
    assert client.get("/profile/").status_code == 200


def test_developer_leaves_no_file(no_file_is_made, alice, signed_in):
    client = signed_in(alice)
    answer = client.post("/profile/language/", _with_files({"language": "de", "time_zone": "UTC"}))
    assert answer.status_code == 302
    assert User.objects.get(pk=alice.pk).language == "de"


def test_administrator_leaves_no_file(no_file_is_made, admin_user, signed_in):
    answer = signed_in(admin_user).post(reverse("admin:accounts_group_add"), _with_files({"display_name": ""}))
    assert answer.status_code == 200


def test_forged_post_leaves_no_file(no_file_is_made, alice):
    client = Client(enforce_csrf_checks=True)
    assert client.post("/account/login/", _with_files({"login": alice.email})).status_code == 403
