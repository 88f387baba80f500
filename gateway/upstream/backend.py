"""Where an API's calls go, compiled: URLs taken apart, credentials opened, TLS contexts made."""

import hashlib
import re
import ssl
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

from cryptography.fernet import Fernet

from gateway.configuration import snapshot
from gateway.configuration.sealed import unseal
from gateway.configuration.snapshot import API, Breaker, Credentials, Retry
from gateway.http.target import parameters_named, without
from gateway.log import logger
from gateway.upstream.tls import TLS, TLSSettings, tls_of

# A WebSocket begins as a call of http or https (RFC 6455, 3).
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE: Final = re.compile(r"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
# They say where a message ends or whom it is for; the gateway's own must be the only ones.
_FRAMING: Final = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "expect")
)


@dataclass(frozen=True, slots=True)
class Added:
    """Credentials in the form that a call needs: `lines` each with its CRLF, `query` without an ampersand around it.

    Fields of the `replaced` names, in lower case, and the `parameters` of the caller's are taken out.
    """

    lines: bytes = b""
    replaced: frozenset[bytes] = frozenset()
    query: bytes = b""
    parameters: re.Pattern[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One service: an origin, the path under which the service lies there, and how it is called.

    `base_path` has no slash at its end, and is empty where the service is at the root; `root_target`
    is what stands for the service itself. Backends with the same `key` share connections. Times and
    limits are None where the gateway's settings count; `seconds` is the longest wait for an answer's
    head, and for more of its body. `id` is 0 where an API's service URL alone says all this.
    """

    is_tls: bool
    host: str
    port: int
    host_header: bytes
    base_path: bytes
    root_target: bytes
    key: bytes
    id: int = 0
    tls: TLS | None = None
    added: Added = field(default=Added(), repr=False)
    seconds: float | None = None
    connect_seconds: float | None = None
    idle_connections: int | None = None
    max_connections: int | None = None
    breaker: Breaker | None = None

    def target(self, rest: bytes) -> bytes:
        """What is asked of the backend, where `rest` is path and query behind the API's suffix."""
        target = (self.base_path if rest.startswith(b"/") else self.root_target) + rest
        added = self.added
        if added.parameters is None:
            return target
        target = without(target, added.parameters).removesuffix(b"?")
        return target + (b"&" if b"?" in target else b"?") + added.query


@dataclass(frozen=True, slots=True)
class Member:
    backend: Backend
    priority: int
    weight: int


@dataclass(frozen=True, slots=True)
class Guarded:
    """Backends behind rules: a pool, or a single one with a circuit breaker or a retry rule.

    `groups` are the members by priority, the most wanted first. `seconds` bound all attempts of a call.
    """

    id: int
    groups: tuple[tuple[Member, ...], ...]
    is_pool: bool
    retry: Retry | None
    seconds: float | None

    def target(self, rest: bytes) -> bytes:
        """Each member makes its own target of it."""
        return rest


Destination: TypeAlias = Backend | Guarded


@dataclass(slots=True)
class Backends:
    """Those of a snapshot, by id: the rows, the single services, and what APIs can call."""

    rows: dict[int, snapshot.Backend] = field(default_factory=dict)
    services: dict[int, Backend] = field(default_factory=dict)
    destinations: dict[int, Destination] = field(default_factory=dict)


def backend_of(service_url: str) -> Backend:
    """Without TLS made ready. Raises ValueError where this is no absolute http(s) or ws(s) URL of ASCII characters."""
    if not service_url.isascii() or not service_url.isprintable() or " " in service_url:
        raise ValueError("a service URL has printable ASCII characters only")
    parts = urlsplit(service_url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError("a service URL is an absolute http or https URL, or ws or wss")
    if "?" in service_url or "#" in service_url:
        raise ValueError("a service URL has no query and no fragment")
    default_port = _DEFAULT_PORTS[parts.scheme]
    port = parts.port or default_port
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    base_path = parts.path.encode().removesuffix(b"/")
    is_tls = parts.scheme in ("https", "wss")
    return Backend(
        is_tls=is_tls,
        host=parts.hostname,
        port=port,
        host_header=(host if port == default_port else f"{host}:{port}").encode(),
        base_path=base_path,
        root_target=base_path + b"/" if service_url.endswith("/") else base_path or b"/",
        key=_key(is_tls, parts.hostname, port),
    )


def compile_backends(
    rows: Sequence[snapshot.Backend], cipher: Fernet | None, before: Backends | None
) -> Generator[None, None, Backends]:
    """In steps; what has not changed since `before` is taken over.

    What cannot be used is left out, and logged; so is a pool of which no member can be used.
    `cipher` opens credentials; without one, backends that have some cannot be used.
    """
    found = Backends()
    for row in rows:
        found.rows[row.id] = row
        if before is not None and before.rows.get(row.id) == row and row.id in before.services:
            found.services[row.id] = before.services[row.id]
        elif not row.members:
            try:
                found.services[row.id] = _service(row, cipher)
            except (ValueError, ssl.SSLError) as error:
                logger.error("backend cannot be used: backend=%d cause=%s", row.id, error)
        yield
    for row in rows:
        service = found.services.get(row.id)
        if row.members:
            if groups := _groups(row, found.services):
                found.destinations[row.id] = Guarded(row.id, groups, True, row.retry, row.read_seconds)
        elif service is not None and (row.breaker is not None or row.retry is not None):
            groups = ((Member(service, 1, 1),),)
            found.destinations[row.id] = Guarded(row.id, groups, False, row.retry, row.read_seconds)
        elif service is not None:
            found.destinations[row.id] = service
        yield
    return found


def destination_of(api: API, backends: Backends) -> Destination | None:
    """None where the API's backend is missing or cannot be used. Raises ValueError for a bad service URL."""
    found: Destination | None
    if api.backend is not None:
        found = backends.destinations.get(api.backend)
    else:
        found = backend_of(api.service_url)
        if found.is_tls:
            found = replace(found, tls=tls_of(TLSSettings()))
    if found is None or api.backend_seconds is None:
        return found
    seconds = api.backend_seconds
    if isinstance(found, Backend):
        return replace(found, seconds=seconds)
    groups = tuple(
        tuple(replace(member, backend=replace(member.backend, seconds=seconds)) for member in group)
        for group in found.groups
    )
    return replace(found, groups=groups, seconds=seconds)


def _service(row: snapshot.Backend, cipher: Fernet | None) -> Backend:
    """Raises ValueError or ssl.SSLError, without a secret in their text."""
    backend = backend_of(row.url)
    if row.sealed and cipher is None:
        raise ValueError("there is no key for its credentials")
    credentials = unseal(row.sealed, cipher) if cipher is not None else Credentials()
    key, tls = backend.key, None
    if backend.is_tls:
        settings = TLSSettings(row.verify_chain, row.verify_name, row.ca_pem, credentials.certificate_pem)
        tls = tls_of(settings)
        if settings != TLSSettings():
            key = _key(key, settings.verify_chain, settings.verify_name, settings.ca_pem, settings.certificate_pem)
    if row.idle_connections is not None or row.max_connections is not None:
        key = _key(key, row.id, row.idle_connections, row.max_connections)
    return replace(
        backend,
        key=key,
        id=row.id,
        tls=tls,
        added=_added(credentials),
        seconds=row.read_seconds,
        connect_seconds=row.connect_seconds,
        idle_connections=row.idle_connections,
        max_connections=row.max_connections,
        breaker=row.breaker,
    )


def _added(credentials: Credentials) -> Added:
    for number, (name, value) in enumerate(credentials.headers, 1):
        if not _FIELD_NAME.fullmatch(name) or name.lower() in _FRAMING or not _FIELD_VALUE.fullmatch(value):
            raise ValueError(f"header {number} of its credentials cannot be sent")
    if not all(name for name, _ in credentials.query):
        raise ValueError("a query parameter of its credentials has no name")
    names = [name.encode() for name, _ in credentials.query]
    return Added(
        b"".join(f"{name}: {value}\r\n".encode() for name, value in credentials.headers),
        frozenset(name.lower().encode() for name, _ in credentials.headers),
        "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in credentials.query).encode(),
        parameters_named(frozenset(names)) if names else None,
    )


def _groups(row: snapshot.Backend, services: Mapping[int, Backend]) -> tuple[tuple[Member, ...], ...]:
    members: dict[int, list[Member]] = {}
    for member in row.members:
        service = services.get(member.backend)
        if service is None:
            logger.error("member of a pool cannot be used: pool=%d backend=%d", row.id, member.backend)
            continue
        if service.seconds is None:
            service = replace(service, seconds=row.read_seconds)
        members.setdefault(member.priority, []).append(Member(service, member.priority, max(member.weight, 1)))
    return tuple(tuple(members[priority]) for priority in sorted(members))


def _key(*parts: object) -> bytes:
    """A digest, since some of what tells connections apart is secret."""
    return hashlib.sha256(repr(parts).encode()).digest()
