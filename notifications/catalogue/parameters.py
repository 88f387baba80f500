"""The parameters of mail templates, with what a preview shows for them."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from notifications.catalogue.base import Parameter

# Every mail has these.
COMMON = ("receiver", "organization", "portal_url")

PARAMETERS: Mapping[str, Parameter] = {
    "receiver": Parameter(_("Name of the person who gets the mail"), "Alice Example"),
    "organization": Parameter(_("Name of your organization"), "Example & Sons"),
    "portal_url": Parameter(_("Address of the developer portal"), "https://portal.example.org"),
    "developer": Parameter(_("Name of the developer whom the mail is about"), "Alice Example"),
    "developer_email": Parameter(_("E-mail address of that developer"), "alice@example.org"),
    "by": Parameter(_("Name of the person who did it"), "Bob Example"),
    "subscription": Parameter(_("Name of the subscription"), "Weather app"),
    "product": Parameter(_("Name of the product or API that is subscribed to"), "Starter"),
    "comment": Parameter(_("What the administrator wrote about it; may be empty"), "Welcome!"),
    "cause": Parameter(
        _("What has ended it where nobody wrote why; may be empty"), "The product Starter is not offered any more."
    ),
    "subscription_url": Parameter(
        _("Page of the subscription in the portal"), "https://portal.example.org/profile/subscriptions/1/"
    ),
    "profile_url": Parameter(_("Page of the person's subscriptions"), "https://portal.example.org/profile/"),
    "admin_url": Parameter(_("Page of the administration where one goes on"), "https://portal.example.org/admin/"),
    "approve_url": Parameter(
        _("Page where an administrator approves it, with a comment"), "https://portal.example.org/admin/step/approve/"
    ),
    "reject_url": Parameter(
        _("Page where an administrator declines it, with a comment"), "https://portal.example.org/admin/step/reject/"
    ),
    "days": Parameter(_("Number of days until the subscription expires"), "7"),
    "expires_on": Parameter(_("Day on which the subscription or invitation expires"), "31 December 2026"),
    "key": Parameter(_("Which of the two keys"), _("primary")),
    "percent": Parameter(_("How much of the quota is used, in percent"), "80"),
    "used": Parameter(_("How much of the quota is used"), "8,000"),
    "quota": Parameter(_("The quota"), "10,000"),
    "resets_on": Parameter(_("When the quota begins anew; empty for never"), "1 December 2026, 00:00 UTC"),
    "api": Parameter(_("Name of the API"), "Weather"),
    "operation": Parameter(_("Name of the operation; empty where it is about the whole API"), "Forecast"),
    "whole_api": Parameter(_("Name of the API; empty where it is about an operation"), ""),
    "deprecated_on": Parameter(_("Since when it is deprecated"), "1 December 2026, 12:00 UTC"),
    "sunset_on": Parameter(_("Until when it is offered; may be empty"), "1 June 2027, 12:00 UTC"),
    "successor": Parameter(
        _("Name of the API that comes in its place; empty where there is none that the reader may see"), "Weather 2"
    ),
    "successor_url": Parameter(_("Page of that API in the portal"), "https://portal.example.org/apis/weather-2/"),
    "migration_url": Parameter(_("Page about the change; may be empty"), "https://www.example.org/moving"),
    "announcement_subject": Parameter(_("Subject that the publisher wrote"), _("Maintenance on Sunday")),
    "announcement": Parameter(_("What the publisher wrote"), _("We are **back at noon**."), is_markdown=True),
    "title": Parameter(_("Title of the issue or application"), _("Forecasts are late")),
    "text": Parameter(_("Text of the issue or comment"), _("Since this morning they come an hour late.")),
    "state": Parameter(_("State of the issue"), _("Resolved")),
    "page_url": Parameter(_("Page where one goes on"), "https://portal.example.org/"),
    "team": Parameter(_("Name of the team"), "Weather people"),
    "role": Parameter(_("What somebody is in the team"), _("Owner")),
    "teams_url": Parameter(_("Page of one's teams"), "https://portal.example.org/profile/teams/"),
    "provider": Parameter(_("Name of the identity provider"), "Example ID"),
    "email": Parameter(_("E-mail address that the mail goes to"), "alice@example.org"),
    "old_email": Parameter(_("E-mail address before"), "alice@example.org"),
    "deleted_email": Parameter(_("E-mail address that was removed"), "alice@example.com"),
    "new_email": Parameter(_("E-mail address afterwards"), "alice@example.com"),
    "undo_url": Parameter(
        _("Link that gives the account its address back; empty where the address was never confirmed"),
        "https://portal.example.org/account/email/undo/",
    ),
    "administrator_email": Parameter(_("The service's administrator e-mail"), "portal@example.org"),
    "confirm_url": Parameter(_("Link that confirms the address"), "https://portal.example.org/account/confirm/"),
    "reset_url": Parameter(_("Link where one sets a password"), "https://portal.example.org/account/password/reset/"),
    "sign_in_url": Parameter(_("Page where one signs in"), "https://portal.example.org/account/login/"),
    "sign_up_url": Parameter(
        _("Page where one signs up; empty where the address may not"), "https://portal.example.org/account/signup/"
    ),
    "invitation_url": Parameter(_("Link of the invitation"), "https://portal.example.org/invitation/"),
    "code": Parameter(_("Code that is to be typed"), "ABC-DEF"),
    "webhook": Parameter(_("Name of the webhook"), "CRM"),
    "reason": Parameter(_("Why it was switched off"), _("It answered that it is gone for good (410).")),
    "alert": Parameter(_("Name of the alert rule"), _("Weather fails")),
    "measure": Parameter(_("What the rule watches"), _("failed calls")),
    "value": Parameter(_("The value that was found"), "12.5 %"),
    "threshold": Parameter(_("The threshold of the rule"), "5 %"),
    "period": Parameter(_("How far the rule looks back"), _("30 minutes")),
    "watched": Parameter(_("Name of the API, product or subscription that the rule is about"), "Weather"),
    "note": Parameter(_("What to do, as the rule says it; may be empty"), _("Call the people of the weather.")),
    "when": Parameter(_("When it happened"), "1 December 2026, 12:00 UTC"),
    "address": Parameter(_("Network address that it came from"), "203.0.113.7"),
    "device": Parameter(_("Browser or program that it came from"), "Firefox, Windows"),
}
