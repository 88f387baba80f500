"""URLs of the developer portal's pages."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter

from portal import preview
from portal.rest import usage as rest_usage
from portal.views import (
    account,
    catalogue,
    console,
    failed_calls,
    feedback,
    health,
    home,
    llms,
    notice,
    notifications,
    own_data,
    preferences,
    products,
    search,
    security,
    signin_sso,
    subscriptions,
    teams,
    usage,
    why_refused,
)
from subscriptions.models import SubscriptionKey


class SlotConverter:
    """The name of one of a subscription's two keys."""

    regex = "|".join(SubscriptionKey.Slot.values)

    def to_python(self, value: str) -> SubscriptionKey.Slot:
        return SubscriptionKey.Slot(value)

    def to_url(self, value: str) -> str:
        return value


class IdConverter(IntConverter):
    """The primary key of a row, within what a column holds."""

    regex = "[0-9]{1,18}"


register_converter(SlotConverter, "slot")
register_converter(IdConverter, "id")

app_name = "portal"
_subscription = "profile/subscriptions/<uuid:subscription_id>/"
# Not below the API's own page, where "issues" may be the name of an operation.
_issue = "issues/<slug:api>/<id:issue_id>/"
_team = "profile/teams/<id:team_id>/"
urlpatterns = [
    path("", home.home, name="home"),
    path("search/", search.search, name="search"),
    path("apis/", catalogue.apis, name="apis"),
    path("apis/<slug:api>/", catalogue.api, name="api"),
    path("apis/<slug:api>/<slug:operation>/", catalogue.operation, name="operation"),
    path("apis/<slug:api>/<slug:operation>/send/", console.send, name="send"),
    path("console/cancel/", console.cancel, name="cancel_call"),
    path("console/responses/<uuid:download_id>/<str:name>", console.download, name="console_download"),
    path("issues/<slug:api>/", feedback.listed, name="issues"),
    path("issues/<slug:api>/new/", feedback.open_issue, name="open_issue"),
    path(_issue, feedback.issue, name="issue"),
    path(f"{_issue}comment/", feedback.comment, name="comment_on_issue"),
    path(f"{_issue}edit/", feedback.edit, name="edit_issue"),
    path(f"{_issue}state/", feedback.change_state, name="change_issue_state"),
    path(f"{_issue}follow/", feedback.follow, name="follow_issue"),
    path(f"{_issue}comments/<id:comment_id>/edit/", feedback.edit_comment, name="edit_comment"),
    path(f"{_issue}comments/<id:comment_id>/remove/", feedback.remove_comment, name="remove_comment"),
    path(f"{_issue}attachments/<uuid:attachment_id>/", feedback.attachment, name="issue_attachment"),
    path("products/", products.products, name="products"),
    path("products/<slug:product>/", products.product, name="product"),
    path("products/<slug:product>/subscribe/", products.subscribe, name="subscribe"),
    path("profile/", subscriptions.listed, name="profile"),
    path("profile/usage/", usage.usage, name="usage"),
    path("profile/usage/failed/", failed_calls.listed, name="failed_calls"),
    path("profile/usage/failed/<uuid:request_id>/", failed_calls.one, name="failed_call"),
    path("profile/usage/why/", why_refused.why_refused, name="why_refused"),
    path("profile/account/", account.account, name="account"),
    path("profile/security/", security.security, name="security"),
    path("profile/sessions/", security.sessions, name="sessions"),
    path("profile/sessions/end-others/", security.end_other_sessions, name="end_other_sessions"),
    path("profile/sessions/<int:session_id>/end/", security.end_session, name="end_session"),
    path("profile/name/", account.name, name="change_name"),
    path("profile/data/", own_data.own_data, name="own_data"),
    path("profile/data/download/", own_data.download, name="download_own_data"),
    path("profile/data/close/", own_data.close, name="close_account"),
    path("profile/notifications/", notifications.preferences, name="notification_preferences"),
    path("unsubscribe/<str:token>/", notifications.unsubscribe, name="unsubscribe"),
    path("profile/language/", preferences.preferences, name="preferences"),
    path("profile/subscriptions/new/<slug:api>/", subscriptions.subscribe_to_api, name="subscribe_to_api"),
    path(_subscription, subscriptions.subscription, name="subscription"),
    path(f"{_subscription}rename/", subscriptions.rename, name="rename_subscription"),
    path(f"{_subscription}cancel/", subscriptions.cancel, name="cancel_subscription"),
    path(f"{_subscription}transfer/", subscriptions.transfer, name="transfer_subscription"),
    path(f"{_subscription}keys/<slot:slot>/", subscriptions.key, name="key"),
    path(f"{_subscription}keys/<slot:slot>/regenerate/", subscriptions.regenerate, name="regenerate_key"),
    path(f"{_subscription}keys/end-old/", subscriptions.end_old_key, name="end_old_key"),
    path("profile/teams/", teams.listed, name="teams"),
    path("profile/teams/create/", teams.create, name="create_team"),
    path("profile/teams/answer/", teams.answer, name="answer_team_invitation"),
    path(_team, teams.team, name="team"),
    path(f"{_team}rename/", teams.rename, name="rename_team"),
    path(f"{_team}invite/", teams.invite, name="invite_to_team"),
    path(f"{_team}revoke/", teams.revoke, name="revoke_team_invitation"),
    path(f"{_team}role/", teams.change_role, name="change_team_role"),
    path(f"{_team}members/<id:membership_id>/remove/", teams.remove, name="remove_from_team"),
    path(f"{_team}leave/", teams.leave, name="leave_team"),
    path(f"{_team}delete/", teams.delete, name="delete_team"),
    path("teams/invitations/<str:token>/", teams.invitation, name="team_invitation"),
    path("signin-sso/", signin_sso.signin_sso, name="signin_sso"),
    path("notice/dismiss/", notice.dismiss, name="dismiss_notice"),
    path("preview/<id:group_id>/", preview.start, name="preview"),
    path("preview/leave/", preview.leave, name="leave_preview"),
    path("usage", rest_usage.of_key, name="usage_of_key"),
    path("me/usage", rest_usage.of_person, name="usage_of_person"),
    path("llms.txt", llms.llms, name="llms"),
    path("health/", health.health, name="health"),
]
