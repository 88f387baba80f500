"""Whom the publisher's notifications go to."""

from accounts.models import User
from notifications.models import PublisherNotification
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


def recipients_of(name: Notification, service: Service | None) -> list[str]:
    """Addresses, each once."""
    row = PublisherNotification.objects.filter(name=name).first()
    found: list[str] = []
    if service is not None and (row.to_administrator if row else _by_default(name)):
        found.append(service.administrator_email)
    if row is not None:
        found += [line.strip() for line in row.emails.splitlines() if line.strip()]
        found += row.users.filter(is_staff=True, state=User.State.ACTIVE).values_list("email", flat=True)
    return list({address.lower(): address for address in found}.values())
