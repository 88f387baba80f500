"""What stands in the way of deleting an API or a product, said in one line instead of a list without end."""

from collections.abc import Iterable

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscriptions.models import Subscription


def subscriptions_in_the_way(objects: Iterable[Model], field: str) -> list[SafeString]:
    """A line, with a link, for each object that subscriptions belong to; `field` names it in a subscription."""
    lines = []
    for one in objects:
        count = Subscription.objects.filter(**{field: one.pk}).count()
        if count:
            url = f"{reverse('admin:subscriptions_subscription_changelist')}?{field}__id__exact={one.pk}"
            lines.append(
                format_html(
                    '<a href="{}" class="text-primary-600 dark:text-primary-500 underline">{} of {}</a>. '
                    "Delete {} first.",
                    url,
                    "1 subscription" if count == 1 else f"{count} subscriptions",
                    one,
                    "it" if count == 1 else "them",
                )
            )
    return lines
