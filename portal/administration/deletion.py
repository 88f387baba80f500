"""What stands in the way of deleting an API, a product or a backend, in one line instead of a list without end."""

from collections.abc import Iterable

from django.db.models import Model
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.models import API
from backends.models import Backend
from subscriptions.models import Subscription


def subscriptions_in_the_way(objects: Iterable[Model], field: str, *, live_only: bool = False) -> list[SafeString]:
    """A line, with a link, for each object that subscriptions belong to; `field` names it in a subscription."""
    lines = []
    for one in objects:
        found = Subscription.objects.live() if live_only else Subscription.objects.all()
        count = found.filter(**{field: one.pk}).count()
        if count:
            url = f"{reverse('admin:subscriptions_subscription_changelist')}?{field}__id__exact={one.pk}"
            who = ngettext("%(count)s subscription of %(name)s", "%(count)s subscriptions of %(name)s", count)
            if live_only:
                advice = ngettext("Cancel it first, or hand it on.", "Cancel them first, or hand them on.", count)
            else:
                advice = ngettext(
                    "Cancel it if it is live, and delete it.", "Cancel those that are live, delete all.", count
                )
            lines.append(line(url, who % {"count": count, "name": one}, advice))
    return lines


def users_in_the_way(backends: Iterable[Backend]) -> list[SafeString]:
    """A line, with a link, for each backend that APIs or pools use."""
    lines = []
    for one in backends:
        apis, pools = API.objects.filter(backend=one).count(), one.memberships.count()
        if apis:
            url = f"{reverse('admin:apis_api_changelist')}?backend__id__exact={one.pk}"
            who = ngettext("%(count)s API of %(name)s", "%(count)s APIs of %(name)s", apis)
            lines.append(line(url, who % {"count": apis, "name": one}, _("Give another backend or a URL first.")))
        if pools:
            url = reverse("admin:backends_backend_change", args=[one.pk])
            who = ngettext("%(count)s pool with %(name)s", "%(count)s pools with %(name)s", pools)
            lines.append(line(url, who % {"count": pools, "name": one}, _("Take it out first.")))
    return lines


def line(url: str, who: str, advice: str | Promise) -> SafeString:
    return format_html(
        '<a href="{}" class="text-primary-600 dark:text-primary-500 underline">{}</a>. {}', url, who, advice
    )
