"""How allauth behaves here."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import address_changes, devices, lock_out, sign_up, team_sign_up, under_way, unknown_accounts
from accounts.address_rules import validate_address
from accounts.addresses import is_address_of
from accounts.claims import apply_claims
from accounts.models import User
from events import names
from events.recording import record
from notifications import account_mails, bounces, outbox
from portal import delegation
from portal.http import caller_address, is_here, portal_settings_of
from portal.identity_adapter import claims_of
from portalsettings.models import PortalSettings
from service.models import current


class AccountAdapter(DefaultAccountAdapter):
    """Allauth's own rules, with what this site knows about its address and its proxies.

    Links in mails begin with PORTAL_URL: a request's Host header is the sender's choice.
    """

    # "e-mail" as in all our texts.
    error_messages = {
        name: str(text).replace("email address", "e-mail address")
        for name, text in DefaultAccountAdapter.error_messages.items()
    }

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        if account_mails.is_known(template_prefix) and isinstance(email, str):
            return account_mails.write(template_prefix, email, context, headers)
        known = {"portal_url": settings.PORTAL_URL, "service": current()}
        message: EmailMessage = super().render_mail(template_prefix, email, {**context, **known}, headers)
        return message

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Allauth's; a mail that an address without an account is not to get is written all the same, for the time."""
        if template_prefix != unknown_accounts.MAIL:
            super().send_mail(template_prefix, email, context)
            return
        context = {**context, "signup_url": unknown_accounts.sign_up_url(email)}
        if unknown_accounts.is_told(context["request"], email):
            super().send_mail(template_prefix, email, context)
        else:
            outbox.write_and_drop(self.render_mail(template_prefix, email, context))

    def send_account_already_exists_mail(self, email: str) -> None:
        """Allauth's, whose links would begin with the request's Host header."""
        self.send_mail("account/email/account_already_exists", email, {})

    def clean_email(self, email: str) -> str:
        """Refuse what the column cannot hold, and what a mail would not reach."""
        validate_address(email)
        return email

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """At the portal itself; where sign-in is delegated the own site makes accounts."""
        settings = portal_settings_of(request)
        if settings.delegates_sign_in:
            return False
        return settings.sign_up == PortalSettings.SignUp.OPEN or team_sign_up.invitation_of(request) is not None

    def is_safe_url(self, url: str) -> bool:
        """Where somebody may be led afterwards: allauth would take all of ALLOWED_HOSTS, such as `localhost`."""
        return is_here(context.request, url)

    def new_user(self, request: HttpRequest) -> User:
        return sign_up.new_user()

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """The first confirmed address completes the sign-up; a later one takes the place of the one before."""
        with transaction.atomic():
            # Another change, or somebody who takes one back, may have taken the address off the account meanwhile.
            user = User.objects.select_for_update().get(pk=email_address.user_id)
            if not EmailAddress.objects.filter(pk=email_address.pk).exists():
                return False
            email_address.user = user
            before = EmailAddress.objects.filter(user=user, verified=True).first()
            change = address_changes.note(user, before.email) if before is not None else None
            is_confirmed: bool = super().confirm_email(request, email_address)
            if is_confirmed:
                bounces.forget(email_address.email)
                if change is None:
                    sign_up.complete(user)
            elif change is not None:
                change.delete()
        return is_confirmed

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Allauth's; the mail to an address that the account has lost has the link that takes that back."""
        if template_prefix == "account/email/email_changed" and context is not None:
            context["undo_url"] = address_changes.link_of_last(user, context["from_email"])
        super().send_notification_mail(template_prefix, user, context, email)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Where sign-in is delegated, only administrators use the portal's own ways.

        Who waits for approval may still confirm the address: a later stage stops him.
        """
        if not user.is_staff and not (kwargs["signal_kwargs"] or {}).get(delegation.VOUCHED_FOR):
            elsewhere = delegation.to_own_site(request, kwargs["redirect_url"] or "")
            if elsewhere is not None:
                return elsewhere
        by_code = _is_by_code(request, user)
        if (by_code and under_way.is_outdated(request, user)) or (
            kwargs["email"] and not is_address_of(user, kwargs["email"])
        ):
            # Since the code went there, the account has got another password or lost the address, or was blocked.
            self.add_message(
                request, messages.ERROR, message=_("This code does not work any more. Ask for another one.")
            )
            return redirect("account_login")
        if not by_code:
            under_way.begin(request, user)
        if user.state == User.State.PENDING:
            return None
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return answer

    def get_login_stages(self) -> list[str]:
        own = ("ApprovalStage", "TermsStage", "ProfileStage")
        return [*super().get_login_stages(), *(f"accounts.stages.{stage}" for stage in own)]

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: EmailConfirmationHMAC) -> str:
        return settings.PORTAL_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_reset_password_from_key_url(self, key: str) -> str:
        user_key, _, secret = key.partition("-")
        return settings.PORTAL_URL + reverse("account_reset_password_from_key", args=[user_key, secret])

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom rate limits count."""
        return caller_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            self._attempt = lock_out.password_attempt(request, credentials.get("email", ""))
        except lock_out.TooManyAttempts:
            raise self.validation_error("too_many_login_attempts") from None

    def _rollback_login_failed_rl_usage(self) -> None:
        """Called by allauth when the password was right."""
        self._attempt.succeeded()

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Called by allauth when a new password was set by a mail."""
        lock_out.forgive(request, credentials["email"])

    def login(self, request: HttpRequest, user: User) -> None:
        """The end of all steps. Remembers whether it is the account's first sign-in, before it is noted as its last."""
        if under_way.is_outdated(request, user):
            raise ImmediateHttpResponse(under_way.end(request))
        under_way.forget(request)
        self._is_first_sign_in = user.last_login is None
        super().login(request, user)

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **kwargs: Any
    ) -> HttpResponse:
        """What follows each sign-in, whatever the way."""
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **kwargs)
        if through_provider := (signal_kwargs or {}).get("sociallogin"):
            apply_claims(user, through_provider.account.provider, claims_of(through_provider.account))
        if not self._is_first_sign_in and not devices.is_known(request, user):
            self._tell_of_new_device(request, user)
        devices.remember(request, response, user)
        return response

    def _tell_of_new_device(self, request: HttpRequest, user: User) -> None:
        device = devices.in_words(request.META.get("HTTP_USER_AGENT", ""))
        address = self.get_client_ip(request)
        record(names.USER_SIGNED_IN_FROM_NEW_DEVICE, by=user, user=user, device=device, address=address)

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """Allauth's, with passkeys called what the other pages call them."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        for method in methods:
            if method["id"] == "mfa_reauthenticate:webauthn":
                method["description"] = _("Use a passkey")
        return methods

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("portal:security")


def _is_by_code(request: HttpRequest, user: User) -> bool:
    """Whether the person has just entered a code that was mailed; else he has proved himself within this request."""
    records = get_authentication_records(request, user)
    return bool(records) and records[-1]["method"] == "code"
