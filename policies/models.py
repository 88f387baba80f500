"""Policy documents as rows."""

from django.db import models

from subscriptions.models import Product

MAX_DOCUMENT_CHARACTERS = 256 * 1024


class ProductPolicy(models.Model):
    """The policy document of a product (Azure: policy at product scope)."""

    product = models.OneToOneField(Product, on_delete=models.CASCADE, related_name="policy")
    document = models.TextField(max_length=MAX_DOCUMENT_CHARACTERS)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "product policies"

    def __str__(self) -> str:
        return f"Policy of {self.product}"
