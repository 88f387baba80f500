"""Taking back that somebody gave an account another e-mail address, by a link that went to the address before.

Whoever has an open session and the password can change the address, and reads all mails from then on. So the owner can
return for a week. The link is signed and names a row, so it works once; taking a change back ends the links of all
later ones, which the thief may hold, and the passkeys, apps and providers by which he would come back.
"""

from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import ProtectedError
from django.urls import reverse
from django.utils import timezone

from accounts import second_factors, user_states
from accounts.addresses import has_confirmed, owner_of
from accounts.claims import forget_claims_about
from accounts.models import AddressChange, User

LIFETIME = timedelta(days=7)
# A thief may have prepared his return before he changed the address. The owner was told of it by mail.
PREPARATION = timedelta(days=7)
_signer = Signer(salt="accounts.address_changes")


class Unusable(ValueError):
    """The link was used or never made, has expired, or the address belongs to another account by now."""


def note(user: User, old_email: str) -> AddressChange:
    """Remember which confirmed address the user is about to lose."""
    AddressChange.objects.filter(at__lt=timezone.now() - LIFETIME).delete()
    return AddressChange.objects.create(user=user, old_email=old_email)


def link_of_last(user: User, old_email: str) -> str:
    """What the mail to the old address leads to; empty where that address was never confirmed."""
    change = AddressChange.objects.filter(user=user, old_email=old_email).last()
    if change is None:
        return ""
    return settings.PORTAL_URL + reverse("account_address_undo", args=[_signer.sign(str(change.pk))])


def find(key: str, at: datetime) -> AddressChange:
    """The change that a link was made for. Raises Unusable."""
    try:
        pk = int(_signer.unsign(key))
    except BadSignature:
        raise Unusable from None
    change = AddressChange.objects.filter(pk=pk, at__gt=at - LIFETIME).first()
    if change is None:
        raise Unusable
    return change


def undo(key: str) -> User:
    """Give the account its address back, and end all sessions, the password and ways in that are new.

    The address that the account loses is told, for it may have been the owner's. Raises Unusable.
    """
    now = timezone.now()
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=find(key, now).user_id)
        # Another one may have followed the link meanwhile.
        change = find(key, now)
        _make_free(change.old_email, user)
        lost_email = user.email
        EmailAddress.objects.filter(user=user).delete()
        EmailAddress.objects.create(user=user, email=change.old_email, verified=True, primary=True)
        user.email = change.old_email
        user.set_unusable_password()
        user.save(update_fields=["email", "password"])
        _end_ways_in(user, since=change.at - PREPARATION)
        AddressChange.objects.filter(user=user, pk__gte=change.pk).delete()
        user_states.end_sessions(user)
        told = {"from_email": lost_email, "to_email": user.email}
        get_adapter().send_notification_mail("account/email/email_changed", user, told, email=lost_email)
    return user


def _end_ways_in(user: User, *, since: datetime) -> None:
    Authenticator.objects.filter(user=user, created_at__gte=since).delete()
    if not second_factors.has_any(user):
        # Recovery codes stand in for another factor.
        Authenticator.objects.filter(user=user).delete()
    accounts = SocialAccount.objects.filter(user=user, date_joined__gte=since)
    for provider in accounts.values_list("provider", flat=True):
        forget_claims_about(user, provider)
    accounts.delete()


def _make_free(email: str, user: User) -> None:
    """A thief may have signed up with the address so that it is taken: that account has never been entered."""
    other = owner_of(email)
    if other is None or other == user:
        return
    if has_confirmed(other, email) or other.last_login is not None:
        raise Unusable
    try:
        with transaction.atomic():
            other.delete()
    except ProtectedError:
        raise Unusable from None
