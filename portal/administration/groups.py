"""The pages of groups, which decide who sees what."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.claims import forget_claims
from accounts.models import ADMINISTRATORS, ClaimedMembership, Group
from portal.administration.model_admin import ModelAdmin

CLAIM_FIELDS = ("provider", "claim", "claim_values")
MAX_CLAIM_VALUES = 200


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        widgets = {"claim_values": UnfoldAdminTextareaWidget({"rows": 3})}

    def clean_claim_values(self) -> str:
        """One a line, without lines that are empty."""
        lines = [line.strip() for line in self.cleaned_data["claim_values"].splitlines()]
        values = [line for line in lines if line]
        if len(values) > MAX_CLAIM_VALUES:
            raise ValidationError(_("Give at most %(count)d values.") % {"count": MAX_CLAIM_VALUES})
        return "\n".join(values)

    def clean(self) -> None:
        """The constraint of the table, which Django leaves out as it also asks for a field that is not on the page."""
        super().clean()
        given = [bool(self.cleaned_data.get(name)) for name in CLAIM_FIELDS if name not in self.errors]
        if any(given) and not all(given):
            raise ValidationError(_("Give the identity provider, the claim and its values, or none of them."))


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    help_texts = {
        "display_name": _("What administrators read where they choose groups."),
        "name": _("By which programs know it: letters, digits and hyphens."),
        "description": _("For administrators: who belongs here, and why."),
        "members": _("People who are listed by hand. They see the products that the group may see."),
    }
    form = GroupForm
    list_display = ["display_name", "name", "shown_type", "member_count"]
    search_fields = ["display_name", "name"]
    list_per_page = 50
    autocomplete_fields = ["members"]
    prepopulated_fields = {"name": ["display_name"]}
    fieldsets = [
        (None, {"fields": ["display_name", "name", "description", "members"]}),
        (
            _("Filled by an identity provider"),
            {
                "fields": list(CLAIM_FIELDS),
                "description": _(
                    "Members come and go as they sign in, beside those above. Another claim takes out, until their "
                    "next sign-in, those who came by the old one."
                ),
            },
        ),
    ]
    change_form_outer_before_template = "admin/accounts/group/_links.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        groups: QuerySet[Group] = super().get_queryset(request)
        return groups.annotate(
            members_count=_count_of(Group.members.through.objects.all()),
            claimed_count=_count_of(ClaimedMembership.objects.all()),
        )

    @admin.display(description=_("type"))
    def shown_type(self, group: Group) -> str:
        return str(group.type.label)

    @admin.display(description=_("members"), ordering="members_count")
    def member_count(self, group: Any) -> str:
        if group.built_in:
            return gettext("By rule")
        if not group.provider:
            return str(group.members_count)
        counts = {"listed": group.members_count, "claimed": group.claimed_count}
        return gettext("%(listed)d listed, %(claimed)d by sign-in") % counts

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Who is in a built-in group follows from what he is, so there is no list of members."""
        if obj and obj.built_in:
            return [(None, {"fields": ["display_name", "name", "description"]})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        return ["name"] if obj and obj.built_in else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Group | None = None) -> dict[str, list[str]]:
        return {} if obj else {"name": ["display_name"]}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Administrators see the portal as their group does already."""
        group = self.get_object(request, object_id)
        context = {**(extra_context or {}), "can_preview": group is not None and group.name != ADMINISTRATORS}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if any(name in form.changed_data for name in CLAIM_FIELDS):
            forget_claims(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not (obj and obj.built_in) and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once could reach the built-in ones."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


def _count_of(memberships: QuerySet[Any]) -> Coalesce:
    own = memberships.filter(group=OuterRef("pk")).order_by().values("group").values(count=Count("pk"))
    return Coalesce(Subquery(own), 0)
