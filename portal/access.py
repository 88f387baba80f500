"""Who may see what: one function for each kind of object. What one may not see answers 404."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404

from accounts.models import TeamMembership, User, Viewer
from apis.models import API, Operation
from feedback.models import Comment, Issue, apis_with_issues
from portalsettings.models import current
from subscriptions.models import Product, Subscription, visible_apis


def api_or_404(viewer: Viewer, name: str) -> API:
    return get_object_or_404(visible_apis(viewer), name=name)


def operation_or_404(viewer: Viewer, api: str, name: str) -> Operation:
    return get_object_or_404(
        Operation.objects.select_related("api"), api__in=visible_apis(viewer), api__name=api, name=name
    )


def product_or_404(viewer: Viewer, name: str) -> Product:
    return get_object_or_404(Product.objects.visible_to(viewer), name=name)


def api_with_issues_or_404(viewer: Viewer, name: str) -> API:
    return get_object_or_404(apis_with_issues(viewer), name=name)


def issue_or_404(viewer: Viewer, api: str, issue_id: int) -> Issue:
    seen = Issue.objects.visible_to(viewer).select_related("api", "author")
    return get_object_or_404(seen, api__name=api, pk=issue_id)


def own_issue_or_404(user: User, api: str, issue_id: int) -> Issue:
    """One that the user may put in other words; who may only read it gets 403."""
    issue = issue_or_404(user, api, issue_id)
    if issue.author != user:
        raise PermissionDenied
    return issue


def own_comment_or_404(user: User, api: str, issue_id: int, comment_id: int) -> Comment:
    issue = issue_or_404(user, api, issue_id)
    comment = get_object_or_404(issue.comments, pk=comment_id)
    if comment.author_id != user.pk:
        raise PermissionDenied
    return comment


def subscribable_api_or_404(viewer: Viewer, name: str) -> API:
    """One that developers can subscribe to alone."""
    api = api_or_404(viewer, name)
    if not takes_subscriptions(api):
        raise Http404
    return api


def takes_subscriptions(api: API) -> bool:
    """Whether developers can subscribe to the API alone. An own site that sells subscriptions sells products only."""
    return api.subscribing != API.Subscribing.NOT_OFFERED and not current().delegates_subscriptions


def subscription_or_404(user: User, subscription_id: UUID) -> Subscription:
    """One that the user may look at and use: his own, or of a team that he is in."""
    return get_object_or_404(Subscription.objects.of(user).select_related("product", "api", "team"), pk=subscription_id)


def changeable_subscription_or_404(user: User, subscription_id: UUID) -> Subscription:
    """One that the user may change; members of the team that owns it may look and use only."""
    subscription = subscription_or_404(user, subscription_id)
    if not Subscription.objects.changeable_by(user).filter(pk=subscription_id).exists():
        raise PermissionDenied
    return subscription


def live_subscription_or_404(user: User, subscription_id: UUID) -> Subscription:
    """Keys of an ended subscription open nothing any more, so they are neither shown nor replaced."""
    return _live_or_404(subscription_or_404(user, subscription_id))


def live_changeable_subscription_or_404(user: User, subscription_id: UUID) -> Subscription:
    return _live_or_404(changeable_subscription_or_404(user, subscription_id))


def _live_or_404(subscription: Subscription) -> Subscription:
    if not subscription.is_live:
        raise Http404
    return subscription


def membership_or_404(user: User, team_id: int) -> TeamMembership:
    """How the user belongs to a team that he may look at."""
    return get_object_or_404(user.team_memberships.select_related("team", "user"), team=team_id)


def ownership_or_404(user: User, team_id: int) -> TeamMembership:
    """How the user belongs to a team that he may act for; members may look only."""
    own = membership_or_404(user, team_id)
    if not own.is_owner:
        raise PermissionDenied
    return own
