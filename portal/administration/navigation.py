"""The menu at the side of the administration."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from alerts.models import AlertRule
from feedback.models import Issue
from portal.administration.counting import bounded_count, in_words
from subscriptions.models import Subscription

# Title, icon, app label and model of each entry, by group.
_MENU: list[tuple[Promise, list[tuple[Promise, str, str, str]]]] = [
    (
        _("Catalogue"),
        [
            (_("APIs"), "api", "apis", "api"),
            (_("Operations"), "alt_route", "apis", "operation"),
            (_("Backends"), "dns", "backends", "backend"),
            (_("Products"), "inventory_2", "subscriptions", "product"),
            (_("Issues"), "forum", "feedback", "issue"),
        ],
    ),
    (
        _("People"),
        [
            (_("Subscriptions"), "key", "subscriptions", "subscription"),
            (_("Users"), "person", "accounts", "user"),
            (_("Groups"), "group", "accounts", "group"),
            (_("Teams"), "diversity_3", "accounts", "team"),
            (_("Identity providers"), "login", "socialaccount", "socialapp"),
            (_("Invitations"), "outgoing_mail", "accounts", "invitation"),
            (_("Custom fields"), "badge", "accounts", "customfield"),
        ],
    ),
    (
        _("Mail"),
        [
            (_("Outbox"), "outbox", "notifications", "outboxmail"),
            (_("Events"), "bolt", "events", "event"),
            (_("Templates"), "article", "notifications", "mailtext"),
            (_("Notifications"), "notifications", "notifications", "publishernotification"),
            (_("Announcements"), "campaign", "notifications", "announcement"),
            (_("Bounced addresses"), "unsubscribe", "notifications", "bouncedaddress"),
            (_("Mail server"), "dns", "notifications", "mailserver"),
        ],
    ),
    (
        _("Webhooks"),
        [
            (_("Endpoints"), "webhook", "webhooks", "endpoint"),
            (_("Deliveries"), "send", "webhooks", "delivery"),
        ],
    ),
    (
        _("Running"),
        [
            (_("Calls"), "swap_vert", "analytics", "call"),
            (_("Alerts"), "notification_important", "alerts", "alertrule"),
            (_("Journal"), "receipt_long", "analytics", "journalpart"),
            (_("Audit log"), "history", "audit", "entry"),
            (_("Service"), "settings", "service", "service"),
            (_("Portal settings"), "web", "portalsettings", "portalsettings"),
        ],
    ),
]

# Of which rows wait for an administrator.
_WAITING: dict[str, Callable[[], QuerySet[Any]]] = {
    "subscription": lambda: Subscription.objects.filter(state=Subscription.State.SUBMITTED),
    "issue": lambda: Issue.objects.filter(state=Issue.State.PROPOSED),
    "alertrule": lambda: AlertRule.objects.filter(is_enabled=True, state=AlertRule.State.FIRING),
    "user": lambda: User.objects.filter(waiting_since__isnull=False),
}


# Title, icon, the page's name and what one has to be allowed to see, of pages that are no lists.
_INSIGHTS: list[tuple[Promise, str, str, tuple[str, ...]]] = [
    (
        _("Sign-up to first call"),
        "filter_alt",
        "insights:funnel",
        ("accounts.view_user", "subscriptions.view_subscription", "analytics.view_call"),
    ),
    (_("Quotas"), "data_usage", "insights:quotas", ("subscriptions.view_subscription", "analytics.view_call")),
    (
        _("Nobody calls"),
        "visibility_off",
        "insights:uncalled",
        ("apis.view_api", "subscriptions.view_subscription", "analytics.view_call"),
    ),
    (
        _("Deprecated"),
        "event_busy",
        "insights:deprecated",
        ("apis.view_api", "subscriptions.view_subscription", "analytics.view_call"),
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What the person may see; groups without an entry are left out."""
    groups: list[dict[str, Any]] = [
        {"title": "", "items": [{"title": gettext("Start"), "icon": "home", "link": reverse("admin:index")}]}
    ]
    if request.user.has_perm("analytics.view_call"):
        groups[0]["items"].append({"title": gettext("Usage"), "icon": "monitoring", "link": reverse("usage:overview")})
    insights = [
        {"title": title, "icon": icon, "link": reverse(name)}
        for title, icon, name, permissions in _INSIGHTS
        if request.user.has_perms(permissions)
    ]
    if insights:
        groups.append({"title": gettext("Insights"), "items": insights})
    for title, entries in _MENU:
        items = [
            _entry(*entry)
            for entry in entries
            if request.user.has_perm(f"{entry[2]}.view_{entry[3]}")
            or request.user.has_perm(f"{entry[2]}.change_{entry[3]}")
        ]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def _entry(title: Promise, icon: str, app: str, model: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"title": title, "icon": icon, "link": reverse(f"admin:{app}_{model}_changelist")}
    if model in _WAITING:
        count = bounded_count(_WAITING[model]())
        if count:
            entry["badge"] = in_words(count)
    return entry
