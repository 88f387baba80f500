"""Work that processes repeat, and which of it nobody does."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.heartbeat import last_beat


@dataclass(frozen=True, slots=True)
class Work:
    """Silence for longer than `patience` means that it does not get done."""

    name: str
    process: str
    consequence: str | Promise
    permission: str
    patience: timedelta


WORKS = (
    Work("publisher", "publisher", _("Changes do not reach the gateway."), "apis.view_api", timedelta(seconds=30)),
    Work("usage", "worker", _("Calls are not counted."), "analytics.view_call", timedelta(minutes=1)),
    Work("alerts", "worker", _("Alert rules are not looked at."), "alerts.view_alertrule", timedelta(minutes=5)),
    # A round can send many mails, to a slow server.
    Work("mail", "worker", _("Mails are not sent."), "notifications.view_outboxmail", timedelta(minutes=5)),
)


@dataclass(frozen=True, slots=True)
class Standstill:
    """`since` is None where it has never been done."""

    work: Work
    since: datetime | None


def standstills(works: Iterable[Work], now: datetime, set_up: datetime) -> list[Standstill]:
    """What was never done has its patience from when the service was set up."""
    last = [(work, last_beat(work.name)) for work in works]
    return [Standstill(work, at) for work, at in last if now - (at or set_up) > work.patience]
