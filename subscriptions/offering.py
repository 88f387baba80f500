"""What happens to a product: priced, put beside other open ones, deleted."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from apis.models import API
from subscriptions import lifecycle
from subscriptions.models import Price, Product, Subscription

NAMES_TOLD = 5


class HasLiveSubscriptions(ValueError):
    """The product cannot be deleted as long as somebody may call it."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__(_("%(sum)s subscriptions are live.") % {"sum": sum(counts.values())})
        self.counts = counts


def set_price(product: Product, price: Price) -> None:
    """Let a product cost this from now on. Saving the price that it has changes nothing."""
    with transaction.atomic():
        Product.objects.select_for_update().get(pk=product.pk)
        now = Price.objects.filter(product=product).first()
        price.product = product
        price.full_clean()
        if now is None or now.figures != price.figures:
            price.save(force_insert=True)


def live_subscriptions(product: Product) -> dict[str, int]:
    """How many subscriptions may be used some day, by state; states without any are left out."""
    live = Subscription.objects.live().filter(product=product).order_by("state")
    return dict(live.values_list("state").annotate(Count("pk")))


def delete_product(
    product: Product, *, by: User | None, cancel_subscriptions: bool = False, now: datetime | None = None
) -> None:
    """Take a product out for good, after its live subscriptions, which end like any cancelled one at the same moment.

    What was subscribed to stays as a row for history and bills; any other product is gone. Raises
    HasLiveSubscriptions where there are some that must not be cancelled.
    """
    at = now or timezone.now()
    with transaction.atomic():
        # Keeps new subscriptions out: subscribing locks the product, too.
        locked = Product.objects.select_for_update().get(pk=product.pk)
        counts = live_subscriptions(locked)
        if counts and not cancel_subscriptions:
            raise HasLiveSubscriptions(counts)
        for subscription in Subscription.objects.live().filter(product=locked).order_by("pk"):
            lifecycle.change_state(subscription, Subscription.State.CANCELLED, by=by, now=at)
        if not Subscription.objects.filter(product=locked).exists():
            locked.delete()
            return
        locked.state, locked.deleted_at = Product.State.NOT_PUBLISHED, at
        locked.save(update_fields=["state", "deleted_at"])
        locked.apis.clear()
        locked.groups.clear()


def refuse_second_open_product(apis: Iterable[API], *, besides: Product) -> None:
    """An API is in one open product at most: else nobody could say under which one a call without a key runs.

    For the transaction that makes `besides` an open product with these APIs: of two such, the second waits
    here for the first.
    """
    ids = [api.pk for api in API.objects.select_for_update().filter(pk__in=[api.pk for api in apis]).order_by("pk")]
    others = Product.objects.filter(subscription_required=False).exclude(pk=besides.pk)
    taken = API.objects.filter(pk__in=ids, products__in=others).distinct()[:NAMES_TOLD]
    if taken:
        names = ", ".join(api.display_name for api in taken)
        raise ValidationError(
            _("An API can be in one open product at most; another one has %(names)s.") % {"names": names}
        )


def refuse_several_open_products(products: Iterable[Product], *, of: API) -> None:
    """The same rule, for the transaction that puts an API into these products."""
    API.objects.select_for_update().filter(pk=of.pk).first()
    chosen = Product.objects.filter(pk__in=[product.pk for product in products], subscription_required=False)
    names = [product.display_name for product in chosen]
    if len(names) > 1:
        raise ValidationError(
            _("An API can be in one open product at most; these are open: %(names)s.") % {"names": ", ".join(names)}
        )
