"""Credentials travel encrypted, and only the same key opens them."""

import pytest

from gateway.configuration import sealed
from gateway.configuration.snapshot import Credentials

CIPHER = sealed.cipher("k" * 32)
CREDENTIALS = Credentials(
    headers=(("X-Functions-Key", "s3cret"), ("X-Name", "ä")), query=(("code", "a&b=c"),), certificate_pem="-----"
)


def test_what_is_sealed_is_opened_with_the_same_key():
    token = sealed.seal(CREDENTIALS, CIPHER)
    assert b"s3cret" not in token
    assert sealed.unseal(token, sealed.cipher("k" * 32)) == CREDENTIALS


def test_credentials_show_nothing_of_themselves():
    shown = f"{CREDENTIALS!r} {CREDENTIALS}"
    assert "s3cret" not in shown
    assert shown.startswith("Credentials(2 headers, 1 parameters, a certificate)")


def test_no_credentials_are_no_token():
    assert sealed.seal(Credentials(), CIPHER) == b""
    assert sealed.unseal(b"", CIPHER) == Credentials()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(sealed.seal(CREDENTIALS, sealed.cipher("l" * 32)), id="another key"),
        pytest.param(sealed.seal(CREDENTIALS, sealed.cipher("k" * 32, b"another purpose")), id="another purpose"),
        pytest.param(CIPHER.encrypt(b'{"headers": "s3cret"}'), id="of another shape"),
        pytest.param(CIPHER.encrypt(b"s3cret"), id="no JSON"),
        pytest.param(b"s3cret", id="no token"),
        pytest.param(b"\xff", id="no text"),
    ],
)
def test_what_cannot_be_opened_is_refused_and_not_shown(token):
    with pytest.raises(sealed.SealedError) as raised:
        sealed.unseal(token, CIPHER)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__suppress_context__
