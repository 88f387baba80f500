"""Confirming an e-mail address, also when the link is old or was used."""

from allauth.account import app_settings
from allauth.account import views as allauth_views
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods


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
