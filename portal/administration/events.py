"""Events: what mails and webhooks are made of, and which of them could not be told."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.paginator import InfinitePaginator

from events.models import Event, EventQuerySet
from notifications.set_aside import tell_again
from portal.administration.read_only import ReadOnlyAdmin


class SetAsideFilter(admin.SimpleListFilter):
    title = gettext_lazy("set aside")
    parameter_name = "set_aside"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("yes", gettext_lazy("Could not be told"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.set_aside() if self.value() == "yes" else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What an event holds is not shown: it can be of people who are gone."""

    list_display = ["name", "at", "by", "told_at", "problem"]
    list_filter = [SetAsideFilter]
    list_select_related = ["by"]
    search_fields = ["name"]
    fields = ["name", "at", "by", "told_at", "set_aside_at", "problem"]
    ordering = ["-pk"]
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = ["tell_again"]

    def has_tell_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("events.change_event")

    @admin.action(description=gettext_lazy("Tell again"), permissions=["tell"])
    def tell_again(self, request: HttpRequest, events: EventQuerySet) -> None:
        count = tell_again(events)
        if count:
            done = ngettext("%(count)s event is told again.", "%(count)s events are told again.", count)
            messages.success(request, done % {"count": count})
        else:
            messages.warning(request, _("Nothing is told again: no such event was set aside."))
