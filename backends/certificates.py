"""Certificates in PEM form: authorities to trust, and the certificate by which the gateway shows who it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_NO_CERTIFICATES = _("Give certificates in PEM form: -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.")

SigningKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey


@dataclass(frozen=True, slots=True)
class Facts:
    """What may be shown of a certificate. The fingerprint is its SHA-256 in hexadecimal."""

    subject: str
    issuer: str
    ends_at: datetime
    fingerprint: str

    @property
    def has_ended(self) -> bool:
        return self.ends_at <= timezone.now()


def facts(pem: str) -> Facts:
    """Of the first certificate. Raises ValidationError."""
    first = _certificates(pem)[0]
    return Facts(
        subject=first.subject.rfc4514_string(),
        issuer=first.issuer.rfc4514_string(),
        ends_at=first.not_valid_after_utc,
        fingerprint=first.fingerprint(hashes.SHA256()).hex(),
    )


def validate_authorities(pem: str) -> None:
    if "PRIVATE KEY" in pem:
        raise ValidationError(gettext("There is a private key in it: leave only the certificates."))
    _certificates(pem)


def client_certificate(pem: str) -> str:
    """The certificate of the private key, then its chain, then the key, in PEM form, from a text with all of them.

    Raises ValidationError.
    """
    if "-----BEGIN CERTIFICATE-----" not in pem:
        raise ValidationError(_NO_CERTIFICATES)
    key = _private_key(pem)
    certificates = _certificates(pem)
    own = next((one for one in certificates if _public_key(one) == _public_key(key)), None)
    if own is None:
        raise ValidationError(
            gettext("The private key belongs to none of the certificates: give the pair that was issued.")
        )
    if own.not_valid_after_utc <= timezone.now():
        raise ValidationError(
            gettext("The certificate ended on %(date)s: give its successor.")
            % {"date": date_format(own.not_valid_after_utc)}
        )
    chain = [one for one in certificates if one != own]
    blocks = [one.public_bytes(Encoding.PEM) for one in (own, *chain)]
    return b"".join([*blocks, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]).decode()


def _certificates(pem: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ValidationError(_NO_CERTIFICATES) from error


def _public_key(holder: x509.Certificate | SigningKey) -> bytes:
    """Empty where the key is of a kind that cannot be read."""
    try:
        return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _private_key(pem: str) -> SigningKey:
    # What the library says of a bad key is not passed on: it could quote it.
    block = _PRIVATE_KEY.search(pem)
    try:
        key = load_pem_private_key(block[0].encode() if block else b"", password=None)
    except TypeError:
        raise ValidationError(
            gettext("The private key has a password: take it off with `openssl pkey -in key.pem`.")
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValidationError(
            gettext("Give the private key too: -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----.")
        ) from None
    if not isinstance(key, SigningKey):
        raise ValidationError(gettext("A key of this kind cannot sign: give an RSA, ECDSA or Ed25519 key."))
    return key
