"""What is offered to developers: products."""

from typing import Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower

from accounts.models import Group, Viewer
from apis.models import API, APIQuerySet


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


class Product(models.Model):
    """APIs offered together, under one policy, to some groups (Azure: product)."""

    class State(models.TextChoices):
        NOT_PUBLISHED = "notPublished", "Not published"
        PUBLISHED = "published", "Published"

    name = models.SlugField(unique=True, max_length=80)
    display_name = models.CharField(max_length=300)
    description = models.TextField(blank=True, max_length=20_000, help_text="Markdown. Shown in the developer portal.")
    terms = models.TextField(
        "terms of use", blank=True, max_length=100_000, help_text="Must be accepted by whoever subscribes."
    )
    state = models.CharField(max_length=20, choices=State.choices, default=State.NOT_PUBLISHED)
    subscription_required = models.BooleanField(default=True, help_text="Off: an open product, called without a key.")
    approval_required = models.BooleanField(default=False)
    subscriptions_limit = models.PositiveIntegerField(
        "subscriptions per user", null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: no limit."
    )
    apis = models.ManyToManyField(API, blank=True, related_name="products", verbose_name="APIs")
    groups = models.ManyToManyField(Group, blank=True, related_name="products", help_text="Who sees the product.")
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["position", "display_name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), name="product_name_unique", violation_error_message="Another product has this name."
            )
        ]

    def __str__(self) -> str:
        return self.display_name


def visible_apis(viewer: Viewer) -> APIQuerySet:
    """The APIs that a viewer may see: those in a product that is visible to him."""
    through = Product.apis.through.objects.filter(product__in=Product.objects.visible_to(viewer))
    return API.objects.filter(pk__in=through.values("api"))
