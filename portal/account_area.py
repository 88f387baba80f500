"""What stands beside each other in the account area: the one list of its pages."""

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the area, by the name of its URL. What lies below its URL, or below `also`, belongs to it."""

    url_name: str
    label: str | Promise
    also: tuple[str, ...] = ()


ENTRIES = (
    Entry("portal:profile", _("Subscriptions")),
    Entry("portal:usage", _("Usage")),
    Entry("portal:account", _("Profile")),
    Entry("portal:preferences", _("Language and time zone")),
    Entry("portal:security", _("Security"), also=("/account/",)),
    Entry("portal:sessions", _("Sessions")),
    Entry("portal:teams", _("Teams")),
    Entry("portal:notification_preferences", _("Notifications")),
    Entry("portal:own_data", _("Your data")),
)


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    label: str | Promise
    is_current: bool


def links(path: str) -> list[Link]:
    """The entries whose pages exist, of which the path belongs to one."""
    found = {entry: url for entry in ENTRIES if (url := _url(entry)) is not None}
    current = max(found, key=lambda entry: _match(entry, found[entry], path))
    return [Link(url, entry.label, is_current=entry is current) for entry, url in found.items()]


def _url(entry: Entry) -> str | None:
    try:
        return reverse(entry.url_name)
    except NoReverseMatch:
        return None


def _match(entry: Entry, url: str, path: str) -> int:
    """How much of the path the entry answers for."""
    return max(len(root) if path.startswith(root) else 0 for root in (url, *entry.also))
