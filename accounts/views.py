"""Ways into an account that allauth does not have, or has in another way.

Confirming an address when the link is old or was used; invitations; waiting for approval; terms of use; what is
required of a profile.
"""

from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account import views as allauth_views
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import EmailAddress, EmailConfirmationHMAC, Login
from allauth.account.stages import LoginStageController
from allauth.core.ratelimit import consume_or_429
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import address_changes, invitations, invited_sign_up, under_way
from accounts.addresses import owner_of
from accounts.forms import NameForm
from accounts.invitation_form import InvitationForm
from accounts.models import Invitation
from accounts.stages import ProfileStage, TermsStage
from accounts.terms import TermsForm
from portalsettings import models as portal_settings


@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, key: str) -> HttpResponse:
    """Allauth's page for a link that works; else a page that says what became of it.

    A POST to an expired link sends a new one to the same address. A GET changes nothing:
    programs that scan mails follow links.
    """
    if EmailConfirmationHMAC.from_key(key) is not None:
        answer: HttpResponse = allauth_views.confirm_email(request, key=key)
        return answer
    address = _address_of(key)
    if address is None:
        return render(request, "account/email_confirm_unknown.html", status=404)
    if address.verified:
        return render(request, "account/email_confirm_done.html")
    if request.method == "POST":
        send_verification_email_to_address(request, address)
        return redirect("account_email_verification_sent")
    return render(request, "account/email_confirm_expired.html")


def _address_of(key: str) -> EmailAddress | None:
    """The address that a key was made for, whatever its age; None where we did not make the key."""
    try:
        pk = signing.loads(key, salt=app_settings.SALT)
    except signing.BadSignature:
        return None
    return EmailAddress.objects.filter(pk=pk).first()


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def undo_address(request: HttpRequest, key: str) -> HttpResponse:
    """The page of the link that an address gets which an account has lost. A GET changes nothing."""
    refusal: HttpResponse | None = consume_or_429(request, action="address_undo")
    if refusal is not None:
        return refusal
    try:
        change = address_changes.find(key, timezone.now())
        if request.method == "POST":
            address_changes.undo(key)
    except address_changes.Unusable:
        return render(request, "account/address_undo_unusable.html", status=404)
    template = "account/address_undone.html" if request.method == "POST" else "account/address_undo.html"
    return render(request, template, {"email": change.old_email})


@require_safe
def waiting(request: HttpRequest) -> HttpResponse:
    return render(request, "account/waiting.html")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept_terms(request: HttpRequest) -> HttpResponse:
    """A step of signing in where the terms are new to the person; who does not accept is not signed in."""
    stage = LoginStageController.enter(request, TermsStage.key)
    if stage is None:
        return redirect("account_login")
    if under_way.is_outdated(request, stage.login.user):
        return under_way.end(request)
    if request.method == "POST" and "decline" in request.POST:
        declined: HttpResponse = stage.abort()
        return declined
    form = TermsForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        form.note_acceptance(stage.login.user)
        accepted: HttpResponse = stage.exit()
        return accepted
    return render(request, "account/accept_terms.html", {"form": form})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def complete_profile(request: HttpRequest) -> HttpResponse:
    """The last step of signing in where the person has not told what is required."""
    stage = LoginStageController.enter(request, ProfileStage.key)
    if stage is None:
        return redirect("account_login")
    if under_way.is_outdated(request, stage.login.user):
        return under_way.end(request)
    if request.method == "POST" and "decline" in request.POST:
        declined: HttpResponse = stage.abort()
        return declined
    user = stage.login.user
    form = NameForm(request.POST if request.method == "POST" else None, initial=NameForm.values_of(user))
    if form.is_valid():
        form.rename(user)
        completed: HttpResponse = stage.exit()
        return completed
    return render(request, "account/complete_profile.html", {"form": form})


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The page of an invitation's link. A GET changes nothing: programs that scan mails follow links."""
    refusal: HttpResponse | None = consume_or_429(request, action="invitation")
    if refusal is not None:
        return refusal
    try:
        found = invitations.find(token, timezone.now())
        if owner_of(found.email) is not None:
            return _join(request, token, found)
        return _accept(request, token, found)
    except invitations.Unusable:
        return render(request, "account/invitation_unusable.html", status=404)


def _join(request: HttpRequest, token: str, found: Invitation) -> HttpResponse:
    if request.method != "POST":
        return render(request, "account/invitation_join.html", {"invitation": found})
    invitations.join(token)
    return redirect("account_login")


def _accept(request: HttpRequest, token: str, found: Invitation) -> HttpResponse:
    if portal_settings.current().delegates_sign_in:
        return _sign_up_elsewhere(request)
    if way := invited_sign_up.leave(request, found, request.POST.get("provider", "")):
        return way
    form = InvitationForm(request.POST if request.method == "POST" else None, invitation=found)
    if not form.is_valid():
        return render(request, "account/invitation.html", {"form": form, "invitation": found})
    user = form.accept(request, token)
    answer: HttpResponse = perform_password_login(request, {"email": user.email}, Login(user=user, email=user.email))
    return answer


def _sign_up_elsewhere(request: HttpRequest) -> HttpResponse:
    """At the own site, which leads back here: by then the address has an account, which joins what it is invited to."""
    if request.user.is_authenticated:
        raise invitations.Unusable
    return redirect(f"{reverse('account_signup')}?{urlencode({'next': request.path})}")
