"""The gateway's certificates: which one a caller gets, and how they are renewed without a restart.

A caller who names a host (SNI, RFC 6066 3) gets the certificate whose subject alternative names hold
it, by themselves or by a wildcard of one level (RFC 6125 6.4.3); any other caller gets the first one.
Protocols and ciphers are Mozilla's "intermediate" configuration, version 5.7, without its DHE suites:
they would need parameters of their own, and every client that knows TLS 1.2 and DHE knows ECDHE.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway import tasks
from gateway.log import logger

POLL_SECONDS: Final = 0.5
WARNING_SECONDS: Final = 14 * 86400.0
SECONDS_BETWEEN_WARNINGS: Final = 86400.0
_CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)

FileVersion = tuple[int, int, int] | None


class CertificateError(Exception):
    """A certificate cannot be used. The text names the file and the reason, and holds nothing of a key."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of one certificate, which its chain may follow, and of its private key."""

    certificate: Path
    key: Path

    def versions(self) -> tuple[FileVersion, FileVersion]:
        """Differ whenever a file was replaced, also by turning a symbolic link."""
        return _version(self.certificate), _version(self.key)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`names` are host names in lower case, as the certificate has them; `expires` is a Unix time."""

    pair: Pair
    names: frozenset[str]
    expires: float
    context: ssl.SSLContext


def pairs_of(texts: Iterable[str]) -> list[Pair]:
    """From `certificate.pem:key.pem` each. Raises ValueError."""
    found = []
    for text in texts:
        certificate, colon, key = text.partition(":")
        if not certificate or not colon or not key:
            raise ValueError(f"'{text}' is not certificate.pem:key.pem")
        found.append(Pair(Path(certificate).absolute(), Path(key).absolute()))
    return found


def load(pair: Pair) -> Certificate:
    """Raises CertificateError."""
    leaf = _leaf(pair.certificate)
    context = _context()
    try:
        pair.key.open("rb").close()
        context.load_cert_chain(pair.certificate, pair.key, password=_no_password)
    except ssl.SSLError as error:
        raise CertificateError(f"{pair.key}: {_key_reason(error, pair)}") from None
    except _Locked:
        raise CertificateError(f"{pair.key}: the key is locked by a password") from None
    except OSError as error:
        raise CertificateError(f"{pair.key}: {error.strerror}") from None
    return Certificate(pair, _names(leaf), leaf.not_valid_after_utc.timestamp(), context)


def _leaf(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())[0]
    except OSError as error:
        raise CertificateError(f"{file}: {error.strerror}") from None
    except ValueError:
        raise CertificateError(f"{file}: it does not begin with a certificate in PEM") from None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # A caller must not make the gateway repeat the costly part of a handshake.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Locked(Exception):
    """OpenSSL wants a password, and would ask for it at the terminal."""


def _no_password() -> str:
    raise _Locked


def _key_reason(error: ssl.SSLError, pair: Pair) -> str:
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return f"it is not the key of {pair.certificate}"
    return f"certificate or key cannot be used ({error.reason or 'it holds no private key in PEM'})"


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def _version(file: Path) -> FileVersion:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def by_name(certificates: Sequence[Certificate]) -> dict[str, Certificate]:
    """Of two certificates with one name the first is found."""
    return {name: certificate for certificate in reversed(certificates) for name in certificate.names}


def choose(name: str | None, first: Certificate, named: dict[str, Certificate]) -> Certificate:
    """The certificate for the host name that a caller asks for."""
    if name is None:
        return first
    name = name.lower()
    return named.get(name) or named.get("*." + name.partition(".")[2]) or first


class Certificates:
    """The certificates in use. `context` is for all connections; it hands each to its certificate's own.

    `look` reads files that have changed; what cannot be used leaves the one before in place.
    """

    def __init__(self, pairs: Sequence[Pair], now: float) -> None:
        """Raises CertificateError."""
        self._used = [pair.versions() for pair in pairs]
        self._seen = list(self._used)
        self._warned = [now - SECONDS_BETWEEN_WARNINGS] * len(pairs)
        self.certificates = [load(pair) for pair in pairs]
        self._named = by_name(self.certificates)
        self.context = load(pairs[0]).context
        self.context.sni_callback = self._turn
        self._task: asyncio.Task[None] | None = None
        self._warn(now)

    def _turn(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = choose(name, self.certificates[0], self._named).context

    def start(self) -> None:
        """Follow the files from now on, in the running loop."""
        self._task = tasks.start(self._run(), name="certificates watch")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                # Certificates may lie on a network's disk, for which no call is to wait.
                await asyncio.to_thread(self.look, time.time())
            except Exception:
                logger.exception("certificates could not be looked at")

    def look(self, now: float) -> None:
        """Take over what has changed, once it has stayed the same from one look to the next.

        Certificate and key are two files: between their changes they do not match.
        """
        for place, certificate in enumerate(self.certificates):
            versions = certificate.pair.versions()
            is_settled = versions == self._seen[place]
            self._seen[place] = versions
            if is_settled and versions != self._used[place]:
                self._used[place] = versions
                self._renew(place, now)
        self._warn(now)

    def _renew(self, place: int, now: float) -> None:
        try:
            fresh = load(self.certificates[place].pair)
        except CertificateError as error:
            logger.error("certificate refused, the one before serves on: %s", error)
            return
        certificates = [*self.certificates[:place], fresh, *self.certificates[place + 1 :]]
        self._named, self.certificates = by_name(certificates), certificates
        self._warned[place] = now - SECONDS_BETWEEN_WARNINGS
        logger.info("certificate in use: file=%s expires=%s", fresh.pair.certificate, _date(fresh.expires))

    def _warn(self, now: float) -> None:
        for place, certificate in enumerate(self.certificates):
            is_due = now - self._warned[place] >= SECONDS_BETWEEN_WARNINGS
            if is_due and certificate.expires - now < WARNING_SECONDS:
                self._warned[place] = now
                level = logging.WARNING if certificate.expires > now else logging.ERROR
                logger.log(
                    level,
                    "certificate expires: file=%s at=%s",
                    certificate.pair.certificate,
                    _date(certificate.expires),
                )


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
