"""Whose calls a person may look at, and which names he may read beside them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from apis.models import API, Operation
from subscriptions.models import Subscription, visible_apis


@dataclass(frozen=True, slots=True)
class Own:
    """The subscriptions, ended ones too, that a person may look at: those of the list of subscriptions."""

    subscriptions: Mapping[UUID, Subscription]

    @classmethod
    def of(cls, user: User) -> Self:
        rows = Subscription.objects.of(user).select_related("product", "api", "team")
        return cls({row.pk: row for row in rows})

    @property
    def in_order(self) -> list[Subscription]:
        """Those that live first."""
        return sorted(self.subscriptions.values(), key=lambda row: (not row.is_live, row.display_name))

    def chosen(self, text: str) -> Subscription | None:
        """The one of this id; None for any other text."""
        try:
            return self.subscriptions.get(UUID(text))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Names:
    """What APIs and operations are called. An API's name is no secret for who sees it, or holds a key for it.

    Whoever calls a URL at random may hit an API that he does not see, so that no other name is told.
    """

    apis: Mapping[int, API]
    operations: Mapping[int, Operation]
    visible: frozenset[int]
    """The APIs whose pages the person may open."""

    @classmethod
    def read_by(cls, user: User, own: Own, apis: Iterable[int | None], operations: Iterable[int | None]) -> Self:
        """Four queries at most."""
        seen, readable = _seen_and_readable(user, own, {pk for pk in apis if pk})
        rows = Operation.objects.filter(pk__in={pk for pk in operations if pk}, api__in=readable)
        return cls(readable, {row.pk: row for row in rows.select_related("api")}, frozenset(seen))

    def api(self, pk: int | None) -> str:
        if not pk:
            return _("No API")
        return self.apis[pk].display_name if pk in self.apis else _("An API that you do not see")

    def operation(self, pk: int | None) -> str:
        if not pk:
            return _("No operation")
        return self.operations[pk].display_name if pk in self.operations else _("An operation that is gone")

    def api_url(self, pk: int | None) -> str:
        """Empty where the person may not open its page."""
        return reverse("portal:api", args=[self.apis[pk].name]) if pk in self.visible else ""

    def operation_url(self, pk: int | None) -> str:
        operation = self.operations.get(pk or 0)
        if operation is None or operation.api_id not in self.visible:
            return ""
        return reverse("portal:operation", args=[operation.api.name, operation.name])


def readable_apis(user: User, own: Own, apis: Collection[int]) -> dict[int, API]:
    """Those whose names the person may read."""
    return _seen_and_readable(user, own, apis)[1]


def _seen_and_readable(user: User, own: Own, wanted: Collection[int]) -> tuple[dict[int, API], dict[int, API]]:
    seen = {api.pk: api for api in visible_apis(user).filter(pk__in=wanted)}
    return seen, seen | _opened(own, set(wanted) - seen.keys())


def _opened(own: Own, apis: Collection[int]) -> dict[int, API]:
    """Those of the APIs that live subscriptions open."""
    live = [row for row in own.subscriptions.values() if row.is_live]
    if not apis or not live:
        return {}
    found = API.objects.filter(pk__in=apis)
    if not any(row.all_apis for row in live):
        products = {row.product_id for row in live if row.product_id is not None}
        alone = {row.api_id for row in live if row.api_id is not None}
        found = found.filter(Q(products__in=products) | Q(pk__in=alone)).distinct()
    return {api.pk: api for api in found}
