"""Mails to a person about his account, and about what he wrote."""

from django.utils.translation import gettext_lazy as _

from notifications.catalogue.base import Category, MailTemplate, Words
from notifications.catalogue.subscriptions import COMMENT, DEAR

HELLO = _("Hello,")
OCCASION = _("When: {{ when }}  \nFrom: {{ address }}, {{ device }}")
NOT_YOU = _("If that was not you, [reset your password]({{ reset_url }}) at once.")

_OCCASION = ("email", "when", "address", "device", "reset_url")


def _security(name: str, title: Words, subject: Words, what: Words, prefix: str, *more: str) -> MailTemplate:
    """A mail that tells of a change of the account, so that its owner notices one that is not his."""
    return MailTemplate(
        name,
        title,
        _("To the person, after it was done."),
        Category.SECURITY,
        subject,
        (HELLO, what, OCCASION, NOT_YOU),
        (*_OCCASION, *more),
        (prefix,),
    )


TEMPLATES = (
    MailTemplate(
        "confirmSignUpIdentityDefault",
        _("New developer account confirmation"),
        _("To whoever signs up, to confirm the address."),
        Category.SECURITY,
        _("Confirm your e-mail address for {{ organization }}"),
        (
            HELLO,
            _("welcome to the developer portal of {{ organization }}. Please confirm your e-mail address:"),
            _("[Confirm the address]({{ confirm_url }})"),
            _("The link works for three days. If you did not sign up, do nothing: no account can be used without it."),
        ),
        ("email", "confirm_url", "code"),
        ("account/email/email_confirmation_signup",),
    ),
    MailTemplate(
        "emailChangeIdentityDefault",
        _("E-mail change confirmation"),
        _("To a new address of a person, to confirm it."),
        Category.SECURITY,
        _("Confirm your e-mail address for {{ organization }}"),
        (
            HELLO,
            _("please confirm that this is your e-mail address:"),
            _("[Confirm the address]({{ confirm_url }})"),
            _("The link works for three days. If you did not ask for this, do nothing: nothing happens then."),
        ),
        ("email", "confirm_url", "code"),
        ("account/email/email_confirmation",),
    ),
    MailTemplate(
        "passwordResetIdentityDefault",
        _("Password reset"),
        _("To whoever asks for a new password."),
        Category.SECURITY,
        _("Reset your password for {{ organization }}"),
        (
            HELLO,
            _("choose a new password here:"),
            _("[Choose a password]({{ reset_url }})"),
            _("The link works once. If you did not ask for it, do nothing: your password stays as it is."),
        ),
        ("email", "reset_url"),
        ("account/email/password_reset_key",),
    ),
    MailTemplate(
        "passwordResetByAdminNotificationMessage",
        _("Password reset by an administrator"),
        _("To the person whom an administrator sends a link for a new password."),
        Category.SECURITY,
        _("Choose a new password for {{ organization }}"),
        (
            DEAR,
            _("an administrator sends you this link, by which you choose a new password for your account:"),
            _("[Choose a password]({{ reset_url }})"),
            _("The link works once. Until you use it, your password stays as it is."),
        ),
        ("email", "reset_url"),
        ("account/email/password_reset_by_administrator",),
    ),
    MailTemplate(
        "inviteUserNotificationMessage",
        _("Invite user"),
        _("To whoever is invited to the portal."),
        Category.ACCOUNT,
        _("You are invited to the developer portal of {{ organization }}"),
        (
            HELLO,
            _("you are invited to the developer portal of {{ organization }}{{#by}} by {{ by }}{{/by}}."),
            _("{{#comment}}{{ comment }}{{/comment}}"),
            _("[Accept the invitation]({{ invitation_url }})"),
            _("The link works once, until {{ expires_on }}. If you do not want an account, do nothing."),
        ),
        ("email", "by", "comment", "expires_on", "invitation_url"),
        ("account/email/invitation",),
    ),
    MailTemplate(
        "teamInvitationNotificationMessage",
        _("Invitation to a team"),
        _("To whoever is invited to a team."),
        Category.ACCOUNT,
        _("You are invited to the team {{ team }}"),
        (
            HELLO,
            _(
                "{{ by }} invites {{ email }} to the team “{{ team }}” at {{ organization }}. "
                "Its members share subscriptions and their keys."
            ),
            _("[Accept or decline the invitation]({{ invitation_url }})"),
            _(
                "The link works once, until {{ expires_on }}. "
                "If you do not know the sender, do nothing: nothing happens then."
            ),
        ),
        ("email", "by", "team", "expires_on", "invitation_url"),
        ("account/email/team_invitation",),
    ),
    MailTemplate(
        "newDeveloperNotificationMessage",
        _("New developer welcome letter"),
        _("To a developer whose account begins to work."),
        Category.ACCOUNT,
        _("Welcome to {{ organization }}"),
        (
            DEAR,
            _(
                "your account at the developer portal of {{ organization }} is ready. "
                "Choose a product to get keys for its APIs."
            ),
            COMMENT,
            _("[Open the portal]({{ portal_url }})"),
        ),
        ("email", "comment"),
    ),
    MailTemplate(
        "accountClosedDeveloper",
        _("Developer farewell letter"),
        _("To a developer whose account was closed."),
        Category.ACCOUNT,
        _("Your account at {{ organization }} is closed"),
        (
            DEAR,
            _(
                "your account at {{ organization }} was closed. "
                "Its subscriptions have ended, and its keys do not work any more."
            ),
            _("Thank you for having been with us."),
        ),
        ("email",),
    ),
    MailTemplate(
        "accountRejectedDeveloper",
        _("Sign-up declined"),
        _("To a person whose sign-up an administrator has declined."),
        Category.ACCOUNT,
        _("Your account at {{ organization }} was declined"),
        (DEAR, _("your request for an account at {{ organization }} was declined."), COMMENT),
        ("email", "comment"),
    ),
    MailTemplate(
        "accountBlockedDeveloper",
        _("Account blocked"),
        _("To a developer whose account an administrator has blocked."),
        Category.ACCOUNT,
        _("Your account at {{ organization }} is blocked"),
        (
            DEAR,
            _(
                "an administrator has blocked your account at {{ organization }}. "
                "You cannot sign in until it is active again."
            ),
        ),
        ("email",),
    ),
    MailTemplate(
        "accountActivatedDeveloper",
        _("Account active again"),
        _("To a developer whose account was blocked, once it works again."),
        Category.ACCOUNT,
        _("Your account at {{ organization }} is active"),
        (DEAR, _("your account at {{ organization }} is active. You can sign in."), _("[Sign in]({{ sign_in_url }})")),
        ("email", "sign_in_url"),
    ),
    MailTemplate(
        "teamMemberRemovedNotificationMessage",
        _("Removed from a team"),
        _("To whoever was removed from a team."),
        Category.ACCOUNT,
        _("You do not belong to the team {{ team }} any more"),
        (DEAR, _("you were removed from the team “{{ team }}”. You do not see its subscriptions and keys any more.")),
        ("team", "by"),
    ),
    MailTemplate(
        "teamMemberAddedNotificationMessage",
        _("Added to a team"),
        _("To whoever an administrator has put into a team."),
        Category.ACCOUNT,
        _("You belong to the team {{ team }}"),
        (
            DEAR,
            _("you were added to the team “{{ team }}”, as: {{ role }}. You see its subscriptions and keys."),
            _("[See your teams]({{ teams_url }})"),
        ),
        ("team", "by", "role", "teams_url"),
    ),
    MailTemplate(
        "teamRoleChangedNotificationMessage",
        _("Role in a team changed"),
        _("To whoever has another role in a team now."),
        Category.ACCOUNT,
        _("Your role in the team {{ team }} is another one"),
        (
            DEAR,
            _("your role in the team “{{ team }}” is now: {{ role }}."),
            _("[See your teams]({{ teams_url }})"),
        ),
        ("team", "by", "role", "teams_url"),
    ),
    MailTemplate(
        "teamDeletedNotificationMessage",
        _("Team deleted"),
        _("To everybody who was in a team that was deleted, but who did it."),
        Category.ACCOUNT,
        _("The team {{ team }} is deleted"),
        (DEAR, _("the team “{{ team }}” was deleted{{#by}} by {{ by }}{{/by}}. Its subscriptions have ended.")),
        ("team", "by"),
    ),
    MailTemplate(
        "newDeviceSignInNotificationMessage",
        _("Sign-in from a new device"),
        _("To the person, when the account is used from a device for the first time."),
        Category.SECURITY,
        _("New sign-in to your account at {{ organization }}"),
        (DEAR, _("somebody has signed in to your account from a device that was not used before."), OCCASION, NOT_YOU),
        _OCCASION,
    ),
    MailTemplate(
        "loginCodeNotificationMessage",
        _("Sign-in code"),
        _("To whoever signs in by a code."),
        Category.SECURITY,
        _("Your sign-in code for {{ organization }}"),
        (
            HELLO,
            _("your sign-in code is:"),
            _("**{{ code }}**"),
            _(
                "Enter it where you asked for it, within 15 minutes. Nobody of us will ever ask you for it. "
                "If you did not ask for a code, do nothing: without it nobody gets in."
            ),
        ),
        ("email", "code"),
        ("account/email/login_code",),
    ),
    MailTemplate(
        "accountAlreadyExistsNotificationMessage",
        _("Account exists already"),
        _("To an address that has an account, when somebody signs up with it."),
        Category.SECURITY,
        _("You have an account at {{ organization }} already"),
        (
            HELLO,
            _(
                "somebody, probably you, tried to sign up with this address, {{ email }}. "
                "It has an account already, so no second one was made."
            ),
            _("[Sign in]({{ sign_in_url }})"),
            _("Forgot the password? [Choose a new one]({{ reset_url }})"),
            _("If it was not you, you need not do anything."),
        ),
        ("email", "sign_in_url", "reset_url"),
        ("account/email/account_already_exists",),
    ),
    MailTemplate(
        "unknownAccountNotificationMessage",
        _("No account"),
        _("To an address without an account, when somebody asks for a new password or a sign-in code with it."),
        Category.SECURITY,
        _("No account at {{ organization }}"),
        (
            HELLO,
            _(
                "somebody, probably you, asked for a new password or a sign-in code for {{ email }}. "
                "There is no account with this address; perhaps you signed up with another one."
            ),
            _("{{#sign_up_url}}No account yet? [Sign up]({{ sign_up_url }}){{/sign_up_url}}"),
            _("If it was not you, you need not do anything."),
        ),
        ("email", "sign_up_url"),
        ("account/email/unknown_account",),
    ),
    # It goes to the old address, whose reset of the password would not reach the account any more.
    MailTemplate(
        "emailChangedNotificationMessage",
        _("E-mail address changed"),
        _("To the old address, after the person has changed it."),
        Category.SECURITY,
        _("Your e-mail address at {{ organization }} was changed"),
        (
            HELLO,
            _("the e-mail address of your account was changed from {{ old_email }} to {{ new_email }}."),
            OCCASION,
            _(
                "{{#undo_url}}If that was not you, [take it back]({{ undo_url }}) at once. It works for seven days: "
                "the account gets this address again, everybody is signed out, and the password stops working."
                "{{/undo_url}}"
            ),
            _("If you need help, write to {{ administrator_email }}."),
        ),
        ("email", "when", "address", "device", "old_email", "new_email", "undo_url", "administrator_email"),
        ("account/email/email_changed",),
    ),
    _security(
        "emailConfirmedNotificationMessage",
        _("E-mail address confirmed"),
        _("Your e-mail address at {{ organization }} is confirmed"),
        _("your e-mail address was confirmed."),
        "account/email/email_confirm",
    ),
    _security(
        "emailDeletedNotificationMessage",
        _("E-mail address removed"),
        _("An e-mail address was removed at {{ organization }}"),
        _("the e-mail address {{ deleted_email }} was removed from your account."),
        "account/email/email_deleted",
        "deleted_email",
    ),
    _security(
        "passwordChangedNotificationMessage",
        _("Password changed"),
        _("Your password for {{ organization }} was changed"),
        _("the password of your account was changed."),
        "account/email/password_changed",
    ),
    _security(
        "passwordResetDoneNotificationMessage",
        _("Password was reset"),
        _("Your password for {{ organization }} was reset"),
        _("the password of your account was reset."),
        "account/email/password_reset",
    ),
    _security(
        "passwordSetNotificationMessage",
        _("Password set"),
        _("A password for {{ organization }} was set"),
        _("a password was set for your account."),
        "account/email/password_set",
    ),
    _security(
        "recoveryCodesGeneratedNotificationMessage",
        _("New recovery codes"),
        _("New recovery codes at {{ organization }}"),
        _("new recovery codes were made for your account. The old ones have stopped working."),
        "mfa/email/recovery_codes_generated",
    ),
    MailTemplate(
        "secondFactorResetNotificationMessage",
        _("Second factors taken off"),
        _("To the person whose second factors an administrator has taken off."),
        Category.SECURITY,
        _("Your second factors at {{ organization }} were taken off"),
        (
            HELLO,
            _(
                "an administrator has taken all second factors off your account: "
                "authenticator app, passkeys and recovery codes. Your password is as it was."
            ),
            _("If you did not ask for it, [reset your password]({{ reset_url }}) at once."),
        ),
        ("email", "reset_url"),
        ("mfa/email/second_factor_reset",),
    ),
    _security(
        "authenticatorAddedNotificationMessage",
        _("Authenticator app added"),
        _("An authenticator app was added at {{ organization }}"),
        _("an authenticator app was added to your account. Its codes are asked for when you sign in."),
        "mfa/email/totp_activated",
    ),
    _security(
        "authenticatorRemovedNotificationMessage",
        _("Authenticator app removed"),
        _("The authenticator app was removed at {{ organization }}"),
        _("the authenticator app was removed from your account."),
        "mfa/email/totp_deactivated",
    ),
    _security(
        "passkeyAddedNotificationMessage",
        _("Passkey added"),
        _("A passkey was added at {{ organization }}"),
        _("a passkey was added to your account."),
        "mfa/email/webauthn_added",
    ),
    _security(
        "passkeyRemovedNotificationMessage",
        _("Passkey removed"),
        _("A passkey was removed at {{ organization }}"),
        _("a passkey was removed from your account."),
        "mfa/email/webauthn_removed",
    ),
    _security(
        "providerConnectedNotificationMessage",
        _("Identity provider connected"),
        _("{{ provider }} was connected to your account at {{ organization }}"),
        _("your account at {{ provider }} was connected to your account here, and can sign you in from now on."),
        "socialaccount/email/account_connected",
        "provider",
    ),
    _security(
        "providerDisconnectedNotificationMessage",
        _("Identity provider disconnected"),
        _("{{ provider }} was disconnected from your account at {{ organization }}"),
        _("your account at {{ provider }} was disconnected from your account here, and does not sign you in any more."),
        "socialaccount/email/account_disconnected",
        "provider",
    ),
    MailTemplate(
        "applicationApprovedNotificationMessage",
        _("Application gallery submission approved"),
        _("To the developer whose application is shown in the gallery from now on."),
        Category.DISCUSSION,
        _("Your application {{ title }} was approved"),
        (DEAR, _("your application “{{ title }}” was approved."), _("[See it]({{ page_url }})")),
        ("title", "page_url"),
    ),
    MailTemplate(
        "newIssueNotificationMessage",
        _("New issue received"),
        _("To the developer who opened an issue."),
        Category.DISCUSSION,
        _("Your issue with {{ api }} was received"),
        (
            DEAR,
            _("we have received your issue “{{ title }}” with {{ api }}."),
            _("[See the issue]({{ page_url }})"),
        ),
        ("api", "title", "text", "page_url"),
    ),
    MailTemplate(
        "newCommentNotificationMessage",
        _("New comment added to an issue"),
        _("To who follows the issue, when somebody else comments on it."),
        Category.DISCUSSION,
        _("New comment on {{ title }}"),
        (
            DEAR,
            _("{{ by }} has commented on the issue “{{ title }}” with {{ api }}:"),
            _("{{ text }}"),
            _("[See the issue]({{ page_url }})"),
        ),
        ("api", "title", "text", "by", "page_url"),
    ),
    MailTemplate(
        "issueStateNotificationMessage",
        _("Issue in another state"),
        _("To who follows the issue, when somebody else resolves, closes or opens it."),
        Category.DISCUSSION,
        _("{{ title }}: {{ state }}"),
        (
            DEAR,
            _("the issue “{{ title }}” with {{ api }} is in another state now: {{ state }}."),
            _("[See the issue]({{ page_url }})"),
        ),
        ("api", "title", "state", "page_url"),
    ),
)
