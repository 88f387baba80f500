"""All that is kept about a person, for himself: no key, no password, nothing of other people."""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db.models import QuerySet, Sum

from accounts import custom_fields, devices
from accounts.models import TeamMembership, User
from analytics.models import Call, CallKind, SubscriptionQuarter
from subscriptions.models import Subscription

MOST_CALLS = 10_000
CALL_FIELDS = (
    "at", "request_id", "subscription_id", "method", "url", "response_code", "caller_address", "country",
    "request_headers",
)  # fmt: skip


def of(user: User, now: datetime) -> dict[str, Any]:
    """Ready for JSON, as Django's encoder writes it."""
    return {
        "exported_at": now,
        "profile": _profile(user),
        "further_fields": custom_fields.own_data(user),
        "addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "addresses_before": list(user.address_changes.values("old_email", "at")),
        "terms_of_use": {"version": user.accepted_terms_id, "accepted_at": user.terms_accepted_at},
        "subscriptions": [_subscription(one) for one in _subscriptions(user)],
        "latest_calls": list(_calls(user).order_by("-at")[:MOST_CALLS].values(*CALL_FIELDS)),
        "teams": [_team(one) for one in user.team_memberships.select_related("team")],
        "groups": _groups(user),
        "issues": list(user.issues.order_by("pk").values("api__name", "title", "description", "state", "created_at")),
        "issue_comments": list(user.issue_comments.values("issue", "text", "created_at")),
        "connected_accounts": list(SocialAccount.objects.filter(user=user).values("provider", "uid", "extra_data")),
        "second_factors": list(Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")),
        "sessions": [_session(one) for one in UserSession.objects.filter(user=user).order_by("pk")],
    }


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "language": user.language,
        "time_zone": user.time_zone,
        "state": user.state,
        "registered_at": user.registered_at,
        "last_signed_in_at": user.last_login,
    }


def _subscriptions(user: User) -> list[Subscription]:
    """His own; those of teams are the teams'."""
    return list(user.subscriptions.select_related("product", "api").order_by("created_at"))


def _subscription(subscription: Subscription) -> dict[str, Any]:
    calls = SubscriptionQuarter.objects.filter(subscription_id=subscription.pk)
    sums = calls.aggregate(let_through=Sum("calls", default=0), refused=Sum("refused", default=0))
    return {
        "id": subscription.pk,
        "name": subscription.display_name,
        "scope": subscription.scope_name,
        "state": subscription.state,
        "created_at": subscription.created_at,
        "started_at": subscription.started_at,
        "expires_at": subscription.expires_at,
        "ended_at": subscription.ended_at,
        "terms_accepted": subscription.terms_accepted,
        "calls": sums,
        "keys_used": list(subscription.keys.order_by("slot", "pk").values("slot", "last_used_at", "last_used_from")),
    }


def _calls(user: User) -> QuerySet[Call]:
    """Only those of a subscription are found by an index, and kinds of calls are few."""
    kinds = CallKind.objects.filter(user_id=user.pk).values("subscription_id")
    return Call.objects.filter(user_id=user.pk, subscription_id__in=kinds)


def _groups(user: User) -> list[str]:
    """Those that list him, and those where an identity provider has put him."""
    listed = user.audience_groups.values_list("display_name", flat=True)
    claimed = user.claimed_memberships.values_list("group__display_name", flat=True)
    return sorted({*listed, *claimed})


def _team(membership: TeamMembership) -> dict[str, Any]:
    return {"name": membership.team.name, "role": membership.role, "joined_at": membership.joined_at}


def _session(session: UserSession) -> dict[str, Any]:
    return {
        "device": devices.in_words(session.user_agent),
        "user_agent": session.user_agent,
        "address": session.ip,
        "signed_in_at": session.created_at,
        "last_seen_at": session.last_seen_at,
    }
