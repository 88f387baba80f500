"""The menu at the side of the administration."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from subscriptions.models import Subscription

# Title, icon, app label and model of each entry, by group.
_MENU: dict[str, list[tuple[str, str, str, str]]] = {
    "Catalogue": [
        ("APIs", "api", "apis", "api"),
        ("Operations", "alt_route", "apis", "operation"),
        ("Backends", "dns", "backends", "backend"),
        ("Products", "inventory_2", "subscriptions", "product"),
    ],
    "People": [
        ("Subscriptions", "key", "subscriptions", "subscription"),
        ("Users", "person", "accounts", "user"),
        ("Groups", "group", "accounts", "group"),
        ("Invitations", "outgoing_mail", "accounts", "invitation"),
        ("Custom fields", "badge", "accounts", "customfield"),
    ],
    "Running": [
        ("Calls", "swap_vert", "analytics", "call"),
        ("Journal", "receipt_long", "analytics", "journalpart"),
        ("Mail", "outgoing_mail", "notifications", "outboxmail"),
        ("Service", "settings", "service", "service"),
        ("Portal settings", "web", "portalsettings", "portalsettings"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What the person may see; groups without an entry are left out."""
    groups = [{"title": "", "items": [{"title": "Start", "icon": "home", "link": reverse("admin:index")}]}]
    for title, entries in _MENU.items():
        items = [
            _entry(*entry)
            for entry in entries
            if request.user.has_perm(f"{entry[2]}.view_{entry[3]}")
            or request.user.has_perm(f"{entry[2]}.change_{entry[3]}")
        ]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def _entry(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"title": title, "icon": icon, "link": reverse(f"admin:{app}_{model}_changelist")}
    waiting = _waiting(model)
    if waiting:
        entry["badge"] = str(waiting)
    return entry


def _waiting(model: str) -> int:
    """How many of them wait for an administrator."""
    if model == "subscription":
        return Subscription.objects.filter(state=Subscription.State.SUBMITTED).count()
    if model == "user":
        return User.objects.exclude(waiting_since=None).count()
    return 0
