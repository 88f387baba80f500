"""What a mail can say about an event: the values of its parameters, in the language that is active."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from accounts.models import Team, TeamRole, User
from apis.models import API, Operation
from events import names
from events.models import Event
from feedback.models import Comment, Issue
from notifications import alert_words
from notifications.models import Announcement
from service import models as service_models
from service.models import Service
from subscriptions.models import Product, Subscription, visible_apis

# Of an issue or a comment; its page shows the rest.
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Facts:
    """An event with those of its rows that are still there."""

    event: Event
    service: Service | None
    subscription: Subscription | None
    user: User | None
    team: Team | None
    api: API | None
    operation: Operation | None
    product: Product | None
    announcement: Announcement | None
    issue: Issue | None
    issue_comment: Comment | None

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event.data
        return data

    @property
    def developer(self) -> User | None:
        """Whom a mail to the publisher is about."""
        return self.user or (self.subscription.owner if self.subscription else None) or self.event.by


def facts_of(event: Event) -> Facts:
    data = event.data
    subscriptions = Subscription.objects.select_related("owner", "team", "product", "api")
    return Facts(
        event=event,
        service=service_models.current(),
        subscription=subscriptions.filter(pk=data.get("subscription")).first(),
        user=_row(User, data.get("user")),
        team=_row(Team, data.get("team")),
        api=_row(API, data.get("api")),
        operation=_row(Operation, data.get("operation")),
        product=_row(Product, data.get("product")),
        announcement=_row(Announcement, data.get("announcement")),
        issue=_row(Issue, data.get("issue")),
        issue_comment=_row(Comment, data.get("comment_id")),
    )


def _row(model: type[Model], pk: Any) -> Any:
    return model._default_manager.filter(pk=pk).first() if pk is not None else None


def common_values(service: Service | None, receiver: User | None) -> dict[str, str]:
    return {
        "receiver": str(receiver) if receiver else "",
        "organization": service.organization_name if service else "API Management",
        "portal_url": settings.PORTAL_URL,
    }


def values_of(facts: Facts, receiver: User | None) -> dict[str, str]:
    data, by = facts.data, facts.event.by
    developer = facts.developer
    return {
        **common_values(facts.service, receiver),
        "receiver": str(receiver or data.get("person", "")),
        "developer": str(data.get("person") or data.get("email") or developer or ""),
        "developer_email": str(data.get("email") or (developer.email if developer else "")),
        "by": str(by) if by else "",
        "comment": str(data.get("comment", "")),
        "days": str(data.get("days_left", "")),
        "expires_on": _moment(data.get("expires_at")),
        "key": _slot(data.get("slot")),
        "percent": str(data.get("percent", "")),
        "used": _amount(data, "used"),
        "quota": _amount(data, "quota"),
        "resets_on": _moment(data.get("resets_at")),
        "api": facts.api.display_name if facts.api else "",
        "operation": facts.operation.display_name if facts.operation else "",
        "title": str(data.get("title", "")),
        "text": str(data.get("text", "")),
        "page_url": settings.PORTAL_URL + str(data.get("path", "/")),
        "team": str(facts.team or data.get("team_name", "")),
        "role": str(TeamRole(data["role"]).label) if data.get("role") in TeamRole.values else "",
        "teams_url": _url("portal:teams"),
        "email": receiver.email if receiver else str(data.get("email", "")),
        "when": moment(facts.event.at),
        "webhook": str(data.get("webhook_name", "")),
        "reason": str(data.get("reason", "")),
        "address": str(data.get("address", "")),
        "device": str(data.get("device", "")),
        "profile_url": _url("portal:profile"),
        "sign_in_url": _url("account_login"),
        "reset_url": _url("account_reset_password"),
        **_values_of_subscription(facts),
        **_values_of_announcement(facts),
        **_values_of_issue(facts),
        **(_values_of_deprecation(facts, receiver) if facts.event.name == names.API_DEPRECATED else {}),
        **(_values_of_alert(data) if "alert" in data else {}),
    }


def _values_of_subscription(facts: Facts) -> dict[str, str]:
    subscription = facts.subscription
    if subscription is None:
        return {
            "product": facts.product.display_name if facts.product else "",
            "admin_url": _url("admin:accounts_user_change", facts.user.pk) if facts.user else _url("admin:index"),
            **(_decision("admin:accounts_user_step", facts.user) if facts.user else {}),
        }
    return {
        "subscription": subscription.display_name,
        "product": subscription.scope_name,
        **({"cause": subscription.cause} if facts.event.name == names.SUBSCRIPTION_CANCELLED else {}),
        "subscription_url": _url("portal:subscription", subscription.pk),
        "admin_url": _url("admin:subscriptions_subscription_change", subscription.pk),
        **_decision("admin:subscriptions_subscription_step", subscription),
    }


def _decision(page: str, row: Model) -> dict[str, str]:
    """Links to the pages that ask before they approve or reject: a program that follows them decides nothing."""
    return {f"{step}_url": f"{_url(page, step)}?id={row.pk}" for step in ("approve", "reject")}


def _values_of_announcement(facts: Facts) -> dict[str, str]:
    announcement = facts.announcement
    if announcement is None:
        return {}
    return {
        "announcement_subject": announcement.subject,
        "announcement": announcement.body,
        "product": announcement.scope_name,
    }


def _values_of_issue(facts: Facts) -> dict[str, str]:
    issue, by = facts.issue, facts.event.by
    if issue is None:
        return {}
    return {
        # Other developers get these mails: addresses are not theirs to know.
        "by": by.full_name or _("A user") if by else "",
        "title": issue.title,
        "text": Truncator(facts.issue_comment.text if facts.issue_comment else issue.description).chars(LONGEST_TEXT),
        "state": str(Issue.State(facts.data["state"]).label) if "state" in facts.data else issue.get_state_display(),
        "page_url": _url("portal:issue", issue.api.name, issue.pk),
        "admin_url": _url("admin:feedback_issue_change", issue.pk),
    }


def _values_of_deprecation(facts: Facts, receiver: User | None) -> dict[str, str]:
    """Of a blind copy's reader nobody knows what APIs he may see."""
    api, operation, data = facts.api, facts.operation, facts.data
    if api is None:
        return {}
    seen = visible_apis(receiver) if receiver is not None else API.objects.none()
    successor = seen.filter(pk=data.get("successor") or 0).first()
    page = _url("portal:operation", api.name, operation.name) if operation else _url("portal:api", api.name)
    return {
        "whole_api": "" if operation else api.display_name,
        "deprecated_on": _moment(data.get("deprecated_at")),
        "sunset_on": _moment(data.get("sunset_at")),
        "successor": successor.display_name if successor else "",
        "successor_url": _url("portal:api", successor.name) if successor else "",
        "migration_url": str(data.get("migration_url", "")),
        "page_url": page,
    }


def _values_of_alert(data: dict[str, Any]) -> dict[str, str]:
    return {**alert_words.values_of(data), "admin_url": _url("admin:alerts_alertrule_change", data["alert"])}


def _url(name: str, *arguments: Any) -> str:
    return settings.PORTAL_URL + reverse(name, args=arguments)


def moment(at: datetime) -> str:
    return str(formats.date_format(timezone.localtime(at), "DATETIME_FORMAT"))


def _moment(text: Any) -> str:
    """A day or a moment that an event's data holds as text."""
    if not isinstance(text, str):
        return ""
    day: date | None = parse_date(text) if len(text) <= 10 else None
    if day is not None:
        return formats.date_format(day, "DATE_FORMAT")
    at = parse_datetime(text)
    return moment(at) if at is not None and timezone.is_aware(at) else ""


def _slot(slot: Any) -> str:
    return {"primary": _("primary"), "secondary": _("secondary")}.get(str(slot), str(slot or ""))


def _amount(data: dict[str, Any], name: str) -> str:
    if name not in data:
        return ""
    number = formats.number_format(data[name], force_grouping=True)
    return _("%(number)s kB") % {"number": number} if data.get("unit") == "kilobytes" else number
