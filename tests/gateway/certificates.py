"""Certificates that vouch for themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def make_certificate(*hosts: str, days: float = 90, password: bytes = b"") -> tuple[bytes, bytes]:
    """Certificate and private key in PEM; the first host is the common name too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=30))
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return certificate.public_bytes(PEM), key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, lock)


def write_pair(directory: Path, *hosts: str, days: float = 90, password: bytes = b"") -> str:
    """`certificate.pem` and `key.pem` in the directory; returns them as GATEWAY_TLS_CERTIFICATES has them."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = make_certificate(*hosts, days=days, password=password)
    (directory / "certificate.pem").write_bytes(certificate)
    (directory / "key.pem").write_bytes(key)
    return f"{directory / 'certificate.pem'}:{directory / 'key.pem'}"
