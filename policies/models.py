"""Policy documents as rows."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from subscriptions.models import Product

MAX_DOCUMENT_CHARACTERS = 256 * 1024


class ProductPolicy(models.Model):
    """The policy document of a product (Azure: policy at product scope)."""

    product = models.OneToOneField(Product, verbose_name=_("product"), on_delete=models.CASCADE, related_name="policy")
    document = models.TextField(_("document"), max_length=MAX_DOCUMENT_CHARACTERS)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("product policy")
        verbose_name_plural = _("product policies")

    def __str__(self) -> str:
        return gettext("Policy of %(product)s") % {"product": self.product}
