"""Inviting people: a mail with a link that one person uses once, within a week."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.addresses import owner_of
from accounts.models import Group, Invitation, User
from events import names
from events.recording import record

LIFETIME = timedelta(days=7)
TOKEN_BYTES = 32


class Unusable(ValueError):
    """The link was used, revoked or replaced, has expired, or was never made."""


@dataclass(slots=True)
class Outcome:
    """What became of the addresses: the invitations that were sent, and who has an account and joined the groups."""

    invited: list[Invitation] = field(default_factory=list)
    joined: list[User] = field(default_factory=list)


def invite(
    *,
    emails: Iterable[str],
    by: User,
    first_name: str = "",
    last_name: str = "",
    note: str = "",
    groups: Iterable[Group] = (),
) -> Outcome:
    """Invite each address; one that is invited already gets a new link in the place of the old one.

    Whoever has an account joins the groups at once.
    """
    outcome, groups = Outcome(), list(groups)
    with transaction.atomic():
        for email in dict.fromkeys(email.strip().lower() for email in emails):
            user = owner_of(email)
            if user is not None:
                user.audience_groups.add(*groups)
                outcome.joined.append(user)
                continue
            row = Invitation.objects.select_for_update().open().filter(email=email).first() or Invitation(email=email)
            row.first_name, row.last_name, row.note, row.invited_by = first_name, last_name, note, by
            _send(row)
            row.groups.set(groups)
            record(names.USER_INVITED, by=by, invitation=row, email=email)
            outcome.invited.append(row)
    return outcome


def send_again(invitation: Invitation) -> None:
    """Mail a new link, which lives as long as the first did; the old one stops working. Raises Unusable."""
    with transaction.atomic():
        row = Invitation.objects.select_for_update().open().filter(pk=invitation.pk).first()
        if row is None:
            raise Unusable
        _send(row)


def revoke(invitation: Invitation) -> None:
    """Let the link work no more. Raises Unusable where the invitation was accepted or revoked before."""
    if not Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=timezone.now()):
        raise Unusable


def find(token: str, at: datetime) -> Invitation:
    """The invitation that a link was made for, to show it. Raises Unusable."""
    return find_by_digest(_digest(token), at)


def find_by_digest(digest: str, at: datetime) -> Invitation:
    """The same, for who noted the digest of the link's token. Raises Unusable."""
    return _usable(Invitation.objects.filter(digest=digest).first(), at)


def accept(token: str, *, password: str, first_name: str, last_name: str) -> User:
    """Make the account; the link proves the address, and nobody has to approve who was invited. Raises Unusable."""
    with transaction.atomic():
        row = for_new_account(_digest(token))
        user = User.objects.create_user(row.email, password, first_name=first_name, last_name=last_name)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        complete(row, user)
    return user


def for_new_account(digest: str) -> Invitation:
    """Lock the invitation until the end of the transaction that makes an account by it. Raises Unusable."""
    row = _locked(digest)
    if owner_of(row.email) is not None:
        raise Unusable
    return row


def complete(row: Invitation, user: User) -> None:
    """The account is made; it joins the groups, and the link has been used."""
    user.confirmed_at = timezone.now()
    user.save(update_fields=["confirmed_at"])
    _join(row, user)
    record(names.USER_SIGNED_UP, by=user, user=user, invitation=row)


def join(token: str) -> User:
    """Let the account that the address got in the meantime join the groups. Raises Unusable."""
    with transaction.atomic():
        row = _locked(_digest(token))
        user = owner_of(row.email)
        if user is None:
            raise Unusable
        _join(row, user)
    return user


def _send(row: Invitation) -> None:
    """Save the invitation with the digest of a new token, and mail the token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row.digest, row.sent_at = _digest(token), timezone.now()
    row.expires_at = row.sent_at + LIFETIME
    row.full_clean()
    row.save()
    url = settings.PORTAL_URL + reverse("account_invitation", args=[token])
    context = {"invitation": row, "url": url}
    get_adapter().render_mail("account/email/invitation", row.email, context).send()


def _join(row: Invitation, user: User) -> None:
    user.audience_groups.add(*row.groups.all())
    row.accepted_at, row.accepted_by = timezone.now(), user
    row.save(update_fields=["accepted_at", "accepted_by"])


def _locked(digest: str) -> Invitation:
    return _usable(Invitation.objects.select_for_update().filter(digest=digest).first(), timezone.now())


def _usable(invitation: Invitation | None, at: datetime) -> Invitation:
    if invitation is None or not invitation.is_usable(at):
        raise Unusable
    return invitation


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
