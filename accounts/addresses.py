"""Whose an e-mail address is.

An address that somebody wants to change to gives nothing until it is confirmed: it may be mistyped, or chosen
because it is another one's.
"""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db.models.functions import Lower

from accounts.models import User


def owner_of(email: str) -> User | None:
    """Who has confirmed the address, or else who signed up with it."""
    # Compared as the unique index has it: by UPPER, "ı" would be "i".
    lower = email.lower()
    confirmed = EmailAddress.objects.filter(email=lower, verified=True).select_related("user").first()
    if confirmed is not None:
        owner: User = confirmed.user
        return owner
    return User.objects.alias(lower=Lower("email")).filter(lower=lower).first()


def is_only_wanted(email: str) -> bool:
    """Whether changes that wait to be confirmed are all that stands in the way of the address."""
    is_wanted: bool = EmailAddress.objects.filter(email=email.lower(), verified=False).exists()
    return is_wanted and owner_of(email) is None


def has_confirmed(user: User, email: str) -> bool:
    confirmed = EmailAddress.objects.filter(user=user, email=email.lower(), verified=True)
    return bool(confirmed.exists())


def is_address_of(user: User, email: str) -> bool:
    """Whether the user has the address, confirmed or not."""
    lower = email.lower()
    has: bool = user.email.lower() == lower or EmailAddress.objects.filter(user=user, email=lower).exists()
    return has


def drop_unproved(user: User) -> None:
    """End the ways in of an account that never confirmed its address: they may be a stranger's, who waits there.

    For whoever proves the address in another way than by the link of the sign-up.
    """
    if EmailAddress.objects.filter(user=user, verified=True).exists():
        return
    SocialAccount.objects.filter(user=user).delete()
    user.set_unusable_password()
    user.save(update_fields=["password"])
