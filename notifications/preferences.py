"""Which mails a person wants."""

from collections.abc import Container

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower

from accounts.models import User
from notifications.catalogue import OPTIONAL, Category
from notifications.models import BouncedAddress, MutedCategory

_SALT = "notifications.unsubscribe"


def muted_by(user: User) -> set[str]:
    return set(MutedCategory.objects.filter(user=user).values_list("category", flat=True))


def choose(user: User, *, wanted: Container[str]) -> None:
    """Set which of the optional categories a person gets."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        user.muted_categories.all().delete()
        MutedCategory.objects.bulk_create(
            MutedCategory(user=user, category=category) for category in OPTIONAL if category not in wanted
        )


def mute(user: User, category: Category) -> None:
    """Stop one category. Does nothing where it is fixed or stopped already."""
    if category in OPTIONAL:
        MutedCategory.objects.get_or_create(user=user, category=category)


def wants(user: User, category: Category) -> bool:
    return category not in OPTIONAL or user in wanting(User.objects.filter(pk=user.pk), category)


def wanting(users: QuerySet[User], category: Category) -> QuerySet[User]:
    """Of these people those who want an optional category, and whose address takes mail."""
    return (
        users.alias(address=Lower("email"))
        .exclude(pk__in=MutedCategory.objects.filter(category=category).values("user"))
        .exclude(address__in=BouncedAddress.objects.values("email"))
    )


def unsubscribe_token(user: User, category: Category) -> str:
    """For the link in a mail: stands for one person and one category, and does not grow old."""
    return signing.dumps([user.pk, category.value], salt=_SALT)


def from_token(token: str) -> tuple[User, Category] | None:
    try:
        pk, category = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=pk).first()
    return (user, Category(category)) if user is not None and category in set(OPTIONAL) else None
