"""What a page about own calls is asked for, from its address: the period, a subscription, and which failed calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from analytics.picker import Choice, choose
from portal.usage.failed import Wanted
from portal.usage.own import Own
from subscriptions.models import Subscription

_MOST_ID = 2**63 - 1
_MOST_STATUS = 999
_MOST_REASON_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What cannot be read, and what is not the person's own, counts as not asked for."""

    choice: Choice
    own: Own
    chosen: Subscription | None
    api: int | None
    reason: str
    status: int | None

    @classmethod
    def of(cls, parameters: QueryDict, own: Own) -> "Asked":
        return cls(
            choose(parameters, timezone.now(), timezone.get_current_timezone()),
            own,
            own.chosen(parameters.get("subscription", "")),
            number(parameters.get("api", "")),
            parameters.get("reason", "").replace("\0", "")[:_MOST_REASON_CHARACTERS],
            number(parameters.get("status", ""), most=_MOST_STATUS),
        )

    @property
    def subscriptions(self) -> list[Subscription]:
        return [self.chosen] if self.chosen is not None else list(self.own.subscriptions.values())

    @property
    def all_failed(self) -> Wanted:
        """Whatever they ended by."""
        return Wanted(frozenset(one.pk for one in self.subscriptions), self.choice.span)

    @property
    def failed(self) -> Wanted:
        every = self.all_failed
        return Wanted(every.subscriptions, every.span, self.api, self.reason, self.status)

    @property
    def of_subscription(self) -> dict[str, str]:
        return {"subscription": str(self.chosen.pk)} if self.chosen is not None else {}

    @property
    def filters(self) -> dict[str, str]:
        """All but the period."""
        texts = {
            "api": "" if self.api is None else str(self.api),
            "reason": self.reason,
            "status": "" if self.status is None else str(self.status),
        }
        return self.of_subscription | {name: text for name, text in texts.items() if text}

    def failed_url(self, more: Mapping[str, str] | None = None) -> str:
        """The list of failed calls, of the same period and subscription unless `more` says another one."""
        query = self.choice.query | self.of_subscription | dict(more or {})
        return f"{reverse('portal:failed_calls')}?{urlencode(query)}"


def number(text: str, *, most: int = _MOST_ID) -> int | None:
    """None for what is no whole number from 1 up."""
    readable = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if readable and 0 < int(text) <= most else None
