"""By what usage can be looked at, and how the rows that calls concern are called."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Any
from uuid import UUID

from babel import Locale
from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext, to_locale
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from apis.models import API, Operation
from subscriptions.models import Product, Subscription

Key = int | UUID | str
NONE: Collection[Key] = (0, UUID(int=0), "")


@dataclass(frozen=True, slots=True)
class Name:
    """What a row is called, and what tells it from others of that name."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dimension:
    """`name` is its name in addresses, `field` that of CallKind, if roll-ups tell it.

    Who lacks the permission does not see it.
    """

    name: str
    field: str
    label: str | Promise
    plural: str | Promise
    nobody: str | Promise
    permission: str
    known: Callable[[Collection[Any]], Mapping[Any, Name]]

    def names(self, keys: Iterable[Key]) -> dict[Key, Name]:
        """Of all these; usage outlives what it is of."""
        wanted = set(keys)
        known = self.known(wanted.difference(NONE))
        nobody = Name(str(self.nobody))
        return {key: nobody if key in NONE else known.get(key) or _gone(key) for key in wanted}


def _gone(key: Key) -> Name:
    return Name(gettext("Deleted"), str(key))


def _apis(keys: Collection[int]) -> dict[int, Name]:
    return {api.pk: Name(api.display_name, f"/{api.path}") for api in API.objects.filter(pk__in=keys)}


def _operations(keys: Collection[int]) -> dict[int, Name]:
    operations = Operation.objects.filter(pk__in=keys).select_related("api")
    return {one.pk: Name(one.display_name, one.api.display_name) for one in operations}


def _products(keys: Collection[int]) -> dict[int, Name]:
    return {one.pk: Name(one.name_in_history) for one in Product.with_deleted.filter(pk__in=keys)}


def _subscriptions(keys: Collection[UUID]) -> dict[UUID, Name]:
    subscriptions = Subscription.objects.filter(pk__in=keys).select_related("owner", "team")
    return {one.pk: Name(one.display_name, one.owner_name) for one in subscriptions}


def _users(keys: Collection[int]) -> dict[int, Name]:
    return {user.pk: Name(str(user), user.email) for user in User.objects.filter(pk__in=keys)}


def _countries(keys: Collection[str]) -> dict[str, Name]:
    territories = Locale.parse(to_locale(get_language() or settings.LANGUAGE_CODE)).territories
    return {key: Name(territories.get(key, key), key) for key in keys}


def _codes(keys: Collection[int]) -> dict[int, Name]:
    """With the phrases of RFC 9110, which are English."""
    return {key: Name(str(key), responses.get(int(key), "")) for key in keys}


ALL = (
    Dimension("api", "api_id", _("API"), _("APIs"), _("No API"), "apis.view_api", _apis),
    Dimension(
        name="operation",
        field="operation_id",
        label=_("Operation"),
        plural=_("Operations"),
        nobody=_("No operation"),
        permission="apis.view_operation",
        known=_operations,
    ),
    Dimension(
        name="product",
        field="product_id",
        label=_("Product"),
        plural=_("Products"),
        nobody=_("No product"),
        permission="subscriptions.view_product",
        known=_products,
    ),
    Dimension(
        name="subscription",
        field="subscription_id",
        label=_("Subscription"),
        plural=_("Subscriptions"),
        nobody=_("No subscription"),
        permission="subscriptions.view_subscription",
        known=_subscriptions,
    ),
    Dimension("user", "user_id", _("User"), _("Users"), _("No user"), "accounts.view_user", _users),
    Dimension("code", "", _("Response code"), _("Response codes"), _("No answer"), "analytics.view_call", _codes),
    Dimension("country", "country", _("Country"), _("Countries"), _("Not known"), "analytics.view_call", _countries),
)


def refused(parameters: Mapping[str, str], dimensions: Mapping[str, Dimension]) -> dict[str, str]:
    """What of an address chooses by a dimension that is none of the viewer's, and what to say of it."""
    told = gettext("%(dimension)s: you may not choose one. You see all.")
    return {
        one.name: told % {"dimension": one.label}
        for one in ALL
        if parameters.get(one.name) and one.name not in dimensions
    }


def allowed(request: HttpRequest) -> dict[str, Dimension]:
    """Those that the viewer may look at, by name."""
    return {one.name: one for one in ALL if request.user.has_perm(one.permission)}
