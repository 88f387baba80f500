"""The pages of groups, which decide who sees what."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.claims import forget_claims
from accounts.models import ADMINISTRATORS, ClaimedMembership, Group, User
from portal.administration.model_admin import ModelAdmin, RowsField, choose_many

MEMBER_FIELDS = ("new_members", "leaving_members")
CLAIM_FIELDS = ("provider", "claim", "claim_values")
MAX_CLAIM_VALUES = 200


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """Members come and go by name: a page that showed them all would not open where they are very many."""

    new_members = RowsField(
        User.objects.all(),
        required=False,
        label=_("Add members"),
        widget=choose_many(Group, "members"),
        help_text=_("Type a part of a name or an address. They see the products that the group may see."),
    )
    leaving_members = RowsField(
        User.objects.all(),
        required=False,
        label=_("Take members out"),
        widget=choose_many(Group, "members"),
        help_text=_("Of those who are listed by hand."),
    )

    class Meta:
        widgets = {"claim_values": UnfoldAdminTextareaWidget({"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.built_in:
            # They are declared here, so leaving them off the page would not keep them from being sent.
            for name in MEMBER_FIELDS:
                del self.fields[name]

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
    }
    form = GroupForm
    list_display = ["display_name", "name", "shown_type", "member_count"]
    search_fields = ["display_name", "name"]
    list_per_page = 50
    prepopulated_fields = {"name": ["display_name"]}
    fieldsets = [
        (None, {"fields": ["display_name", "name", "description"]}),
        (_("Members"), {"fields": ["shown_members", *MEMBER_FIELDS]}),
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

    @admin.display(description=_("listed by hand"))
    def shown_members(self, group: Any) -> SafeString:
        """How many, and the way to the list that has their pages."""
        url = f"{reverse('admin:accounts_user_changelist')}?audience_groups__id__exact={group.pk}"
        count = number_format(group.members_count, force_grouping=True)
        people = ngettext("%(count)s person", "%(count)s people", group.members_count) % {"count": count}
        return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500 underline">{}</a>', url, people)

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Who is in a built-in group follows from what he is, so there are no members to add."""
        about, members, claims = super().get_fieldsets(request, obj)
        if obj is None:
            return [about, (members[0], {"fields": ["new_members"]}), claims]
        if obj.built_in:
            return [about]
        if not self.has_change_permission(request, obj):
            return [about, (members[0], {"fields": ["shown_members"]}), claims]
        return [about, members, claims]

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        return ["shown_members", "name"] if obj and obj.built_in else ["shown_members"]

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

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.instance.members.add(*form.cleaned_data.get("new_members", ()))
        form.instance.members.remove(*form.cleaned_data.get("leaving_members", ()))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """How much goes with the group, instead of a line for each of its members."""
        gone = gettext("%(group)s (members: %(members)s, products that it may see: %(products)s)")
        counts = [
            {"group": group, "members": self.member_count(group), "products": group.products.count()} for group in objs
        ]
        return [gone % count for count in counts], {}, set(), []

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
