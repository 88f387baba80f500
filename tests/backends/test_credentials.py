"""Credentials in a row of the database."""

import pytest

from backends.credentials import basic_authorization, credentials_of, put_credentials, split_basic
from backends.models import Backend
from gateway.configuration.sealed import SealedError
from gateway.configuration.snapshot import Credentials

CREDENTIALS = Credentials(headers=(("X-Key", "s3cret"),), query=(("code", "c0de"),))


def test_credentials_are_sealed_in_the_row(settings):
    backend = Backend()
    put_credentials(backend, CREDENTIALS)
    assert "s3cret" not in backend.sealed
    assert credentials_of(backend) == CREDENTIALS
    settings.KEY_ENCRYPTION_KEY = "another" * 8
    with pytest.raises(SealedError):
        credentials_of(backend)


def test_no_credentials_are_an_empty_token():
    backend = Backend(sealed="x")
    put_credentials(backend, Credentials())
    assert backend.sealed == ""


@pytest.mark.parametrize(("user", "password"), [("Aladdin", "open sesame"), ("ä", "ö:ü"), ("a", "")])
def test_basic_authorization_is_a_header_and_comes_back(user, password):
    header = basic_authorization(user, password)
    assert split_basic((("X-Key", "a"), header)) == ((("X-Key", "a"),), user, password)


def test_basic_authorization_as_in_rfc_7617():
    assert basic_authorization("Aladdin", "open sesame") == ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", "Bearer x"),
        ("Authorization", "Basic nonsense!"),
        ("Authorization", "Basic eA=="),
        ("X", "Basic YTpi"),
    ],
)
def test_other_headers_stay(header):
    assert split_basic((header,)) == ((header,), "", "")
