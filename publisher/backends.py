"""From the rows of backends to those of the gateway's snapshot.

A backend that cannot be served is left out and logged. The gateway answers calls of an API whose
backend is missing with 500; a pool goes on with the members that are left.
"""

import logging
from collections import defaultdict
from collections.abc import Collection

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ValidationError

from backends.certificates import validate_authorities
from backends.models import Backend as BackendRow
from backends.statuses import parse_ranges
from gateway.configuration import sealed
from gateway.configuration.snapshot import Backend, Breaker, Member, Retry
from gateway.upstream.backend import backend_of
from publisher import watched
from publisher.reading import rows

log = logging.getLogger(__name__)


def read_backends() -> tuple[Backend, ...]:
    """Two queries."""
    members: dict[int, list[Member]] = defaultdict(list)
    for _, pool, backend, priority, weight in rows(watched.POOL_MEMBER):
        members[pool].append(Member(backend, priority, weight))
    cipher = sealed.cipher(settings.KEY_ENCRYPTION_KEY)
    found, pools = {}, []
    for row in BackendRow.objects.order_by("pk").only(*watched.BACKEND.fields):
        if row.is_pool:
            pools.append(row)
            continue
        try:
            found[row.pk] = _single(row, cipher)
        except (ValueError, ValidationError) as error:
            _leave_out(row, error)
    singles = frozenset(found)
    for row in pools:
        try:
            found[row.pk] = _pool(row, members[row.pk], singles)
        except ValueError as error:
            _leave_out(row, error)
    return tuple(found.values())


def _leave_out(row: BackendRow, error: ValueError | ValidationError) -> None:
    why = "; ".join(error.messages) if isinstance(error, ValidationError) else error
    log.error("backend_left_out backend=%d error=%s", row.pk, why)


def _single(row: BackendRow, cipher: Fernet) -> Backend:
    """Raises ValueError or ValidationError where it cannot be served."""
    backend_of(row.url)
    sealed.unseal(row.sealed.encode(), cipher)
    if row.ca_pem:
        validate_authorities(row.ca_pem)
    return Backend(
        id=row.pk,
        name=row.name,
        url=row.url,
        sealed=row.sealed.encode(),
        verify_chain=row.verify_chain,
        verify_name=row.verify_name,
        ca_pem=row.ca_pem,
        connect_seconds=row.connect_seconds,
        read_seconds=row.read_seconds,
        idle_connections=row.idle_connections,
        max_connections=row.max_connections,
        breaker=_breaker(row),
        retry=_retry(row),
    )


def _pool(row: BackendRow, members: list[Member], singles: Collection[int]) -> Backend:
    """Raises ValueError where no member of it can be served."""
    usable = tuple(member for member in members if member.backend in singles)
    if not usable:
        raise ValueError("none of its members can be served")
    return Backend(id=row.pk, name=row.name, members=usable, retry=_retry(row))


def _breaker(row: BackendRow) -> Breaker | None:
    if row.breaker_failures is None:
        return None
    return Breaker(
        failures=row.breaker_failures,
        interval_seconds=row.breaker_interval_seconds,
        trip_seconds=row.breaker_trip_seconds,
        statuses=parse_ranges(row.breaker_statuses),
        counts_errors=row.breaker_counts_errors,
        accept_retry_after=row.breaker_accepts_retry_after,
    )


def _retry(row: BackendRow) -> Retry | None:
    if not row.retry_count:
        return None
    ranges = parse_ranges(row.retry_statuses)
    statuses = sorted({status for first, last in ranges for status in range(first, last + 1)})
    return Retry(row.retry_count, row.retry_interval_seconds, tuple(statuses))
