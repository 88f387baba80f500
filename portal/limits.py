"""A product's limits in plain words."""

from subscriptions.models import Product


def limits_of(product: Product) -> list[str]:
    """Such as ["5 calls per minute", "100 calls per week"]; empty where nothing is limited."""
    return []
