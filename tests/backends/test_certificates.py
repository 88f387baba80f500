"""Certificates of the gateway and of authorities, in PEM form."""

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.core.exceptions import ValidationError

from backends.certificates import client_certificate, facts, validate_authorities
from tests.backends.certificate_makers import certificate_pem, key_pem, make_key, pair_pem

KEY = make_key()
OWN, OTHER = certificate_pem(KEY, name="own"), certificate_pem(make_key(), name="other")


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(OWN + OTHER + key_pem(KEY), id="certificate, chain, key"),
        pytest.param(key_pem(KEY) + OTHER + OWN, id="in another order"),
        pytest.param("Bag Attributes\n  friendlyName: x\n" + OWN + OTHER + OWN + key_pem(KEY), id="with other text"),
        pytest.param((OWN + OTHER + key_pem(KEY)).replace("\n", "\r\n"), id="as a browser sends it"),
    ],
)
def test_parts_are_put_in_order(pem, tmp_path):
    made = client_certificate(pem)
    assert made == OWN + OTHER + key_pem(KEY)
    file = tmp_path / "client.pem"
    file.write_text(made)
    ssl.create_default_context().load_cert_chain(file)


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())], ids=["RSA", "ECDSA"]
)
def test_kinds_of_keys(key):
    old_form = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert client_certificate(certificate_pem(key) + old_form.decode()).endswith(key_pem(key))


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        pytest.param("s3cret", "Give certificates in PEM form", id="nonsense"),
        pytest.param(OWN, "Give the private key too", id="no key"),
        pytest.param(key_pem(KEY), "Give certificates in PEM form", id="no certificate"),
        pytest.param(OTHER + key_pem(KEY), "belongs to none of the certificates", id="key of another one"),
        pytest.param(
            OWN + key_pem(KEY, BestAvailableEncryption(b"s3cret")), "has a password", id="key with a password"
        ),
        pytest.param(OWN + key_pem(x25519.X25519PrivateKey.generate()), "cannot sign", id="key that cannot sign"),
        pytest.param(pair_pem(days=-1), "ended on", id="ended"),
        pytest.param(
            OWN + "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----", "private key too", id="broken key"
        ),
        pytest.param(
            "-----BEGIN CERTIFICATE-----\ns3cret\n-----END CERTIFICATE-----" + key_pem(KEY),
            "Give certificates in PEM form",
            id="broken certificate",
        ),
    ],
)
def test_bad_pairs_are_told_without_what_is_in_them(pem, message):
    with pytest.raises(ValidationError) as raised:
        client_certificate(pem)
    assert message in raised.value.messages[0]
    assert "s3cret" not in raised.value.messages[0]


def test_ed25519_key_is_read_too():
    with pytest.raises(ValidationError, match="belongs to none"):
        client_certificate(OWN + key_pem(ed25519.Ed25519PrivateKey.generate()))


def test_facts_of_the_first_certificate():
    found = facts(OWN + OTHER + key_pem(KEY))
    assert (found.subject, found.issuer, len(found.fingerprint)) == ("CN=own", "CN=own", 64)
    assert not found.has_ended
    assert facts(certificate_pem(KEY, days=-1)).has_ended


def test_authorities():
    validate_authorities(OWN + OTHER)


@pytest.mark.parametrize(
    ("pem", "message"),
    [("nonsense", "Give certificates"), ("", "Give certificates"), (OWN + key_pem(KEY), "private key")],
)
def test_bad_authorities(pem, message):
    with pytest.raises(ValidationError, match=message):
        validate_authorities(pem)
