"""Whom the publisher's notifications go to."""

from collections.abc import Iterable

from accounts.models import User
from notifications.models import PublisherNotification, Recipients
from service.models import Service

Notification = PublisherNotification.Name


def ensure_rows() -> None:
    """Give each notification its row, for the list of the administration."""
    PublisherNotification.objects.bulk_create(
        [PublisherNotification(name=name, to_administrator=_by_default(name)) for name in Notification],
        ignore_conflicts=True,
    )


def _by_default(name: str) -> bool:
    """Blind copies go to nobody unless somebody asks for them."""
    return name != Notification.BCC


def recipients_of(name: Notification, service: Service | None) -> dict[str, User | None]:
    """Addresses, each once, with the administrator whose it is."""
    row = PublisherNotification.objects.filter(name=name).first()
    if row is not None:
        return with_people(addresses_of(row, service))
    return with_people([service.administrator_email] if service is not None and _by_default(name) else [])


def addresses_of(row: Recipients, service: Service | None) -> list[str]:
    found = [service.administrator_email] if service is not None and row.to_administrator else []
    found += [line.strip() for line in row.emails.splitlines() if line.strip()]
    found += row.users.filter(is_staff=True, state=User.State.ACTIVE).values_list("email", flat=True)
    return list({address.lower(): address for address in found}.values())


def with_people(found: Iterable[str]) -> dict[str, User | None]:
    """Addresses, each once, with the administrator whose it is."""
    addresses = {address.lower(): address for address in found}
    administrators = User.objects.filter(is_staff=True, email__in=addresses)
    known = {user.email: user for user in administrators}
    return {address: known.get(lower) for lower, address in addresses.items()}
