"""The pages of users: who they are, what they may do, and where they belong."""

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from accounts.closing import close
from accounts.models import (
    ClaimedMembership,
    CustomValue,
    Group,
    Invitation,
    Team,
    TeamMembership,
    User,
    UserStateChange,
)
from accounts.roles import Role, give, role_of
from accounts.teams import sole_ownerships
from accounts.user_states import LastAdministrator, refuse_last_administrator
from portal.administration import password_link, second_factors
from portal.administration.deletion import line
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin, RowsField, choose_many
from portal.administration.searching import words
from portal.administration.steps import administrator
from portal.administration.user_steps import STEPS
from subscriptions.models import Subscription

State = User.State
STATE_COLOURS = {State.ACTIVE: "success", State.BLOCKED: "danger", State.PENDING: "warning", State.DELETED: "info"}
RIGHTS = _("Rights")

CLOSING = _(
    "Name, addresses and all ways to sign in are erased, and subscriptions end. The history stays, without a name."
)


class AddUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ["email", "first_name", "last_name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["usable_password"].help_text = gettext(
            "Disabled: the user sets one by the portal's password reset."
        )

    def clean_email(self) -> str:
        return _unused_address(self.cleaned_data["email"], of=None)


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    groups_listed = RowsField(
        Group.objects.filter(built_in=False),
        required=False,
        label=_("Groups"),
        widget=choose_many(Invitation, "groups"),
        help_text=_("Beside the built-in ones, to which everybody belongs by what he is."),
    )

    role = forms.TypedChoiceField(
        label=_("Role in the administration"),
        choices=Role.choices,
        coerce=Role,
        empty_value=Role.NONE,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        widgets = {"note": UnfoldAdminTextareaWidget({"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups_listed" in self.fields:
            self.fields["groups_listed"].initial = self.instance.audience_groups.all()
        if "role" in self.fields:
            self.fields["role"].initial = role_of(self.instance)

    def clean_email(self) -> str:
        return _unused_address(self.cleaned_data["email"], of=self.instance)

    def clean(self) -> None:
        """In the transaction that saves: two administrators may take each other's rights at the same time."""
        super().clean()
        if self.cleaned_data.get("role", Role.ADMINISTRATOR) != Role.ADMINISTRATOR:
            try:
                refuse_last_administrator(self.instance)
            except LastAdministrator as error:
                self.add_error(None, str(error))


def _unused_address(email: str, *, of: User | None) -> str:
    """The address in lower case, as sign-in compares it."""
    email = email.lower()
    taken = EmailAddress.objects.filter(email=email, verified=True)
    if (taken.exclude(user=of) if of else taken).exists():
        raise ValidationError(gettext("This address is already in use."))
    return email


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return True


class EmailAddressInline(ReadOnlyInline):
    model = EmailAddress
    verbose_name_plural = _("addresses that sign in")
    fields = readonly_fields = ["email", "verified", "primary"]


class CustomValueInline(ReadOnlyInline):
    model = CustomValue
    verbose_name_plural = _("custom fields")
    fields = readonly_fields = ["field", "value"]


class TeamInline(ReadOnlyInline):
    model = TeamMembership
    verbose_name_plural = _("teams")
    fields = readonly_fields = ["team", "role", "joined_at"]


class ClaimedGroupInline(ReadOnlyInline):
    model = ClaimedMembership
    verbose_name_plural = _("groups by an identity provider")
    fields = readonly_fields = ["group", "claimed_at"]


class StateChangeInline(ReadOnlyInline):
    model = UserStateChange
    fk_name = "user"
    verbose_name_plural = _("history")
    fields = readonly_fields = ["at", "state", "by", "comment"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[UserStateChange]:
        changes: QuerySet[UserStateChange] = super().get_queryset(request)
        return changes.select_related("by")


class RoleFilter(admin.SimpleListFilter):
    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(role.value, str(role.label).partition(":")[0]) for role in Role if role != Role.NONE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if self.value() == Role.ADMINISTRATOR:
            return queryset.filter(is_superuser=True)
        return queryset.filter(is_staff=True, staff_role=self.value()) if self.value() else queryset


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg, misc]
    help_texts = {
        "email": _("The name that signs in. One that is written here counts as confirmed."),
    }
    form = UserForm
    add_form = AddUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = [
        "email",
        "first_name",
        "last_name",
        "shown_state",
        "shown_role",
        "subscription_count",
        "registered_at",
    ]
    list_filter = ["state", RoleFilter, "audience_groups"]
    search_fields = ["email", "first_name", "last_name"]
    sortable_by = ["email", "first_name", "last_name", "registered_at"]
    search_help_text = _("A part of the e-mail address, of the name, or of a custom field")
    ordering = ["-registered_at"]
    filter_horizontal = []
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    readonly_fields = ["state", "registered_at", "last_login", "accepted_terms", "terms_accepted_at"]
    change_form_outer_before_template = "admin/accounts/user/_links.html"
    inlines = [EmailAddressInline, CustomValueInline, TeamInline, ClaimedGroupInline, StateChangeInline]
    actions = STEPS.list_actions()
    custom_urls = [
        ("step/<slug:name>/", "accounts_user_step", STEPS.view),
        ("<int:pk>/password-reset/", "accounts_user_password_link", password_link.send_view),
        ("<int:pk>/second-factors/", "accounts_user_second_factors", second_factors.take_off_view),
    ]
    fieldsets = [
        (None, {"fields": ["email", "first_name", "last_name", "state", "note", "groups_listed"]}),
        (RIGHTS, {"fields": ["role"]}),
        (_("Dates"), {"fields": ["registered_at", "last_login", "accepted_terms", "terms_accepted_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "first_name", "last_name", "usable_password", "password1", "password2"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request)
        # A join would count the subscriptions of everybody, to show those of one page.
        own = Subscription.objects.filter(owner=OuterRef("pk")).order_by().values("owner").values(count=Count("pk"))
        return users.annotate(subscriptions_count=Coalesce(Subquery(own), 0))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Each word is in a field of the user or in one of the custom ones.

        Those are asked for by a subquery: a join would let the database compare whole rows, to drop those
        that it found twice.
        """
        for word in words(search_term):
            found = Q(pk__in=CustomValue.objects.filter(value__icontains=word).values("user"))
            for field in self.search_fields:
                found |= Q((f"{field}__icontains", word))
            queryset = queryset.filter(found)
        return queryset, False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only who may do everything gives rights, and nobody shuts himself out."""
        return [*self.readonly_fields, *([] if _may_give_role(request, obj) else ["shown_role"])]

    def get_form(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        form = super().get_form(request, obj, **kwargs)
        if not _may_give_role(request, obj):
            # It is declared in the form, so leaving it off the page would not keep it from being sent.
            form.base_fields.pop("role", None)
        return form

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None or _may_give_role(request, obj):
            return super().get_fieldsets(request, obj)
        shown = {"fields": ["shown_role"]}
        return [(name, shown if name == RIGHTS else part) for name, part in self.fieldsets]

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        return list(self.inlines) if obj else []

    @label_column(_("state"), colours=STATE_COLOURS)
    def shown_state(self, user: User) -> tuple[str, str]:
        return user.state, user.get_state_display()

    @admin.display(description=_("role"))
    def shown_role(self, user: User) -> str:
        """Those whose permissions are listed one by one have none of the roles."""
        role = role_of(user)
        return "–" if role == Role.NONE else str(role.label).partition(":")[0]

    @admin.display(description=_("subscriptions"))
    def subscription_count(self, user: Any) -> int:
        return int(user.subscriptions_count)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A password of somebody with rights is changed by those who have all."""
        if obj is not None and obj.is_staff and not request.user.is_superuser and obj.pk != request.user.pk:
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and (obj.state == State.DELETED or obj.pk == request.user.pk):
            return False
        if obj is not None and obj.is_staff and not request.user.is_superuser:
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """What closing an account does, and the teams that would be without an owner."""
        in_the_way = [_without_owner(team) for user in objs for team in sole_ownerships(user)]
        return [f"{user.email}: {CLOSING}" for user in objs], {}, set(), in_the_way

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        close(obj, by=administrator(request))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once is not offered: their subscriptions would end."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        offered = STEPS.offered(user) if user and self.has_change_permission(request, user) else []
        context = {**(extra_context or {}), "offered_steps": offered}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        role = form.cleaned_data.get("role")
        if role is not None and "role" in form.changed_data:
            give(obj, role)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """An address that an administrator writes counts as confirmed."""
        super().save_related(request, form, formsets, change)
        user: User = form.instance
        if not change or "email" in form.changed_data:
            addresses = EmailAddress.objects.filter(user=user)
            addresses.filter(primary=True).exclude(email=user.email).delete()
            addresses.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
        if "groups_listed" in form.cleaned_data:
            listed = user.audience_groups.filter(built_in=True)
            user.audience_groups.set([*listed, *form.cleaned_data["groups_listed"]])


def _may_give_role(request: HttpRequest, user: User | None) -> bool:
    return bool(request.user.is_superuser) and (user is None or user.pk != request.user.pk)


def _without_owner(team: Team) -> SafeString:
    url = reverse("admin:accounts_team_change", args=[team.pk])
    return line(url, team.name, _("Make somebody else an owner of this team first."))
