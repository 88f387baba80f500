"""What is offered to developers: products."""

from typing import TYPE_CHECKING, Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Group, Viewer
from apis.models import API, APIQuerySet

if TYPE_CHECKING:
    from subscriptions.prices import Price


class ProductQuerySet(models.QuerySet["Product"]):
    def published(self) -> Self:
        return self.filter(state=Product.State.PUBLISHED)

    def visible_to(self, viewer: Viewer) -> Self:
        """Published products of the viewer's groups; administrators see all that are published."""
        if viewer.is_staff:
            return self.published()
        return self.published().filter(
            pk__in=Product.groups.through.objects.filter(group__in=Group.objects.of(viewer)).values("product")
        )


_ProductManager = models.Manager.from_queryset(ProductQuerySet)


class ExistingProducts(_ProductManager["Product"]):
    """All but the deleted ones."""

    def get_queryset(self) -> ProductQuerySet:
        return ProductQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Product(models.Model):
    """APIs offered together, under one policy, to some groups (Azure: product).

    One that was subscribed to stays as a row when it is deleted: its subscriptions' history, usage and
    bills name it. `objects` does not have it any more.
    """

    class State(models.TextChoices):
        NOT_PUBLISHED = "notPublished", _("Not published")
        PUBLISHED = "published", _("Published")

    name = models.SlugField(_("name"), max_length=80)
    display_name = models.CharField(_("display name"), max_length=300)
    description = models.TextField(
        _("description"), blank=True, max_length=20_000, help_text=_("Markdown. Shown in the developer portal.")
    )
    terms = models.TextField(
        _("terms of use"), blank=True, max_length=100_000, help_text=_("Must be accepted by whoever subscribes.")
    )
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.NOT_PUBLISHED)
    subscription_required = models.BooleanField(
        _("subscription required"), default=True, help_text=_("Off: an open product, called without a key.")
    )
    approval_required = models.BooleanField(_("approval required"), default=False)
    subscriptions_limit = models.PositiveIntegerField(
        _("subscriptions per user"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: no limit."),
    )
    apis = models.ManyToManyField(API, blank=True, related_name="products", verbose_name=_("APIs"))
    groups = models.ManyToManyField(
        Group, blank=True, related_name="products", verbose_name=_("groups"), help_text=_("Who sees the product.")
    )
    position = models.PositiveIntegerField(
        _("order"), default=0, help_text=_("Lists of products begin with the lowest.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = ExistingProducts()
    with_deleted = ProductQuerySet.as_manager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["position", "display_name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="product_name_unique",
                condition=Q(deleted_at=None),
                violation_error_message=_("Another product has this name."),
            ),
            models.CheckConstraint(
                name="product_deleted_is_not_published",
                condition=Q(deleted_at=None) | Q(state="notPublished"),
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def name_in_history(self) -> str:
        """The name, which says so where the product is deleted."""
        return (
            self.display_name
            if self.deleted_at is None
            else gettext("%(name)s (deleted)") % {"name": self.display_name}
        )

    @property
    def price(self) -> "Price | None":
        """What it costs now. One query, or none where `prices` are prefetched."""
        return next(iter(self.prices.all()), None)


def visible_apis(viewer: Viewer) -> APIQuerySet:
    """The APIs that a viewer may see: those in a product that is visible to him."""
    through = Product.apis.through.objects.filter(product__in=Product.objects.visible_to(viewer))
    return API.objects.filter(pk__in=through.values("api"))
