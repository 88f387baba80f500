"""The pages of teams."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import teams
from accounts.models import Team, TeamInvitation, TeamMembership, TeamRole, User
from portal.administration.deletion import subscriptions_in_the_way
from portal.administration.model_admin import ModelAdmin, TableRowForm, TabularInline
from portal.administration.people import ReadOnlyInline
from portal.administration.steps import administrator


class MembershipForm(TableRowForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """A membership stays that of its person: another one is another membership."""
        super().__init__(*args, **kwargs)
        self.fields["user"].disabled = self.instance.pk is not None


class MembershipFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if not any(row["role"] == TeamRole.OWNER and row["user"].state == User.State.ACTIVE for row in kept):
            raise ValidationError(_("A team needs an owner whose account is active."))


class MembershipInline(TabularInline):
    model = TeamMembership
    form = MembershipForm
    formset = MembershipFormSet
    extra = 0
    max_num = teams.MEMBERS_PER_TEAM
    fields = ["user", "role", "joined_at"]
    readonly_fields = ["joined_at"]
    autocomplete_fields = ["user"]
    verbose_name_plural = _("members")


class InvitationInline(ReadOnlyInline):
    model = TeamInvitation
    fields = readonly_fields = ["email", "role", "invited_by", "created_at", "expires_at", "outcome"]
    verbose_name_plural = _("invitations")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamInvitation]:
        invitations: QuerySet[TeamInvitation] = super().get_queryset(request)
        return invitations.select_related("invited_by").order_by("-created_at")


@admin.register(Team)
class TeamAdmin(ModelAdmin):
    """Memberships change by the operations that the portal uses."""

    help_texts = {
        "name": _("As its members read it, and the owners of its subscriptions in lists."),
    }
    list_display = ["name", "member_count", "created_at", "deleted_at"]
    list_filter = [("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "members__email"]
    search_help_text = _("Name, or a member's e-mail address")
    ordering = ["name", "pk"]
    list_per_page = 50
    show_full_result_count = False
    fields = ["name", "created_at", "deleted_at"]
    readonly_fields = ["created_at", "deleted_at"]
    inlines = [MembershipInline, InvitationInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        found: QuerySet[Team] = super().get_queryset(request)
        return found.annotate(members_count=Count("memberships"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Team], search_term: str
    ) -> tuple[QuerySet[Team], bool]:
        """Fields that offer teams offer none that is deleted."""
        if request.resolver_match is not None and request.resolver_match.url_name == "autocomplete":
            queryset = queryset.filter(deleted_at=None)
        found: tuple[QuerySet[Team], bool] = super().get_search_results(request, queryset, search_term)
        return found

    @admin.display(description=_("members"), ordering="members_count")
    def member_count(self, team: Any) -> int:
        return int(team.members_count)

    def get_inlines(self, request: HttpRequest, obj: Team | None) -> list[Any]:
        return list(self.inlines) if obj else [MembershipInline]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Those who come first, then roles, then those who go: an owner is replaced in one step."""
        formset.save(commit=False)
        if formset.model is not TeamMembership:
            return
        by = administrator(request)
        try:
            for new in formset.new_objects:
                teams.add(new.team, new.user, TeamRole(new.role), by=by)
            for row, _changed in sorted(formset.changed_objects, key=lambda pair: pair[0].role != TeamRole.OWNER):
                teams.change_role(row, TeamRole(row.role), by=by)
            for row in formset.deleted_objects:
                teams.remove(row, by=by)
        except teams.TeamError as error:
            messages.error(request, str(error))

    def has_change_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        return not (obj and obj.deleted_at) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        return not (obj and obj.deleted_at) and bool(super().has_delete_permission(request, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """The row stays, so that nothing that hangs on it stands in the way but live subscriptions."""
        live = [team for team in objs if teams.live_subscriptions(team)]
        return [str(team) for team in objs], {}, set(), subscriptions_in_the_way(live, "team", live_only=True)

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        teams.delete(obj, by=administrator(request))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once is not offered: each is asked about."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions
