"""TLS to backends: one context for each setting, shared by all backends that have it.

A context takes a millisecond to make, and twenty more to load the system's authorities, which is
done in a thread when the first connection needs them.
"""

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

from gateway import tasks


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """`ca_pem` replaces the system's authorities. A name is verified only together with its chain.

    `certificate_pem` is a client certificate, its chain and its private key.
    """

    verify_chain: bool = True
    verify_name: bool = True
    ca_pem: str = ""
    certificate_pem: str = field(default="", repr=False)


class TLS:
    """Raises ssl.SSLError where authorities or certificate cannot be used."""

    __slots__ = ("__weakref__", "_context", "_loading", "_needs_authorities")

    def __init__(self, settings: TLSSettings) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = settings.verify_chain and settings.verify_name
        if settings.certificate_pem:
            _load_certificate(self._context, settings.certificate_pem.encode())
        if settings.ca_pem:
            # Between certificates there may be names of authorities in any script, which Python does not take.
            self._context.load_verify_locations(cadata=settings.ca_pem.encode("ascii", "ignore").decode())
        if not settings.verify_chain:
            self._context.verify_mode = ssl.CERT_NONE
        self._loading: asyncio.Task[None] | None = None
        self._needs_authorities = settings.verify_chain and not settings.ca_pem

    async def context(self) -> ssl.SSLContext:
        """Ready for a connection."""
        if self._needs_authorities:
            # It fails where no thread can be started; the next connection tries again.
            if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
                loading = asyncio.to_thread(_load_authorities, self._context)
                self._loading = tasks.start(loading, name="load authorities")
            await asyncio.shield(self._loading)
        return self._context


_used: Final[WeakValueDictionary[TLSSettings, TLS]] = WeakValueDictionary()


def tls_of(settings: TLSSettings) -> TLS:
    """Raises ssl.SSLError where authorities or certificate cannot be used."""
    tls = _used.get(settings)
    if tls is None:
        tls = _used[settings] = TLS(settings)
    return tls


def _load_authorities(context: ssl.SSLContext) -> None:
    """The system's. Raises OSError where their file cannot be opened, of which OpenSSL itself says nothing."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        open(paths.cafile, "rb").close()
    context.load_default_certs()


def _load_certificate(context: ssl.SSLContext, certificate: bytes) -> None:
    """OpenSSL takes a file only; this one lies in memory and has no name."""
    descriptor = os.memfd_create("client certificate", os.MFD_CLOEXEC)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(certificate)
        file.flush()
        # Without a password function OpenSSL would ask for one on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=str)
