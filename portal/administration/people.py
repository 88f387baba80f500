"""The pages of users and of the groups that decide what they see."""

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from accounts.models import Group, User
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin, RowsField
from portal.administration.steps import administrator
from subscriptions.ownership import end_all_of

State = User.State
STATE_COLOURS = {State.ACTIVE: "success", State.BLOCKED: "danger", State.PENDING: "warning", State.DELETED: "info"}


class AddUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ["email", "first_name", "last_name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["usable_password"].help_text = "Disabled: the user sets one by the portal's password reset."

    def clean_email(self) -> str:
        return _unused_address(self.cleaned_data["email"], of=None)


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    groups_listed = RowsField(
        Group.objects.filter(built_in=False),
        required=False,
        label="Groups",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Beside the built-in ones, to which everybody belongs by what he is.",
    )

    class Meta:
        widgets = {"note": UnfoldAdminTextareaWidget({"rows": 3})}
        help_texts = {
            "state": "Blocked: cannot sign in. Subscriptions of the user go on until they are suspended.",
            "is_superuser": "May do everything here.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups_listed" in self.fields:
            self.fields["groups_listed"].initial = self.instance.audience_groups.all()

    def clean_email(self) -> str:
        return _unused_address(self.cleaned_data["email"], of=self.instance)


def _unused_address(email: str, *, of: User | None) -> str:
    """The address in lower case, as sign-in compares it."""
    email = email.lower()
    taken = EmailAddress.objects.filter(email=email)
    if (taken.exclude(user=of) if of else taken).exists():
        raise ValidationError("This address is already in use.")
    return email


class EmailAddressInline(TabularInline):
    model = EmailAddress
    verbose_name_plural = "addresses that sign in"
    extra = 0
    fields = readonly_fields = ["email", "verified", "primary"]
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return True


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserForm
    add_form = AddUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = [
        "email",
        "first_name",
        "last_name",
        "shown_state",
        "is_staff",
        "subscription_count",
        "registered_at",
    ]
    list_filter = ["state", "is_staff", "audience_groups"]
    search_fields = ["email", "first_name", "last_name"]
    ordering = ["-registered_at"]
    filter_horizontal = []
    list_per_page = 50
    show_full_result_count = False
    readonly_fields = ["registered_at", "last_login"]
    change_form_outer_before_template = "admin/accounts/user/_links.html"
    inlines = [EmailAddressInline]
    fieldsets = [
        (None, {"fields": ["email", "first_name", "last_name", "state", "note", "groups_listed"]}),
        ("Rights", {"fields": ["is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["registered_at", "last_login"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "first_name", "last_name", "usable_password", "password1", "password2"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(subscriptions_count=Count("subscriptions"))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only who may do everything gives rights, and nobody shuts himself out."""
        readonly = list(self.readonly_fields)
        if not request.user.is_superuser:
            readonly += ["is_staff", "is_superuser"]
        elif obj is not None and obj.pk == request.user.pk:
            readonly += ["state", "is_staff", "is_superuser"]
        return readonly

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        return list(self.inlines) if obj else []

    @label_column("state", ordering="state", colours=STATE_COLOURS)
    def shown_state(self, user: User) -> tuple[str, str]:
        return user.state, user.get_state_display()

    @admin.display(description="subscriptions", ordering="subscriptions_count")
    def subscription_count(self, user: Any) -> int:
        return int(user.subscriptions_count)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A password of somebody with all rights is changed by his like only."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and (obj.pk == request.user.pk or (obj.is_superuser and not request.user.is_superuser)):
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Subscriptions are no hindrance: they are ended first."""
        to_delete, counts, missing, _ = super().get_deleted_objects(objs, request)
        return to_delete, counts, missing, []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        with transaction.atomic():
            end_all_of(obj, by=administrator(request))
            obj.delete()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once is not offered: their subscriptions would end."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

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


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    list_display = ["display_name", "name", "kind", "member_count"]
    search_fields = ["display_name", "name"]
    list_per_page = 50
    autocomplete_fields = ["members"]
    prepopulated_fields = {"name": ["display_name"]}
    fields = ["display_name", "name", "description", "members"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        groups: QuerySet[Group] = super().get_queryset(request)
        return groups.annotate(members_count=Count("members"))

    @admin.display(description="kind")
    def kind(self, group: Group) -> str:
        return "Built-in" if group.built_in else "Custom"

    @admin.display(description="members", ordering="members_count")
    def member_count(self, group: Any) -> str:
        return "By rule" if group.built_in else str(group.members_count)

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        """Who is in a built-in group follows from what he is, so there is no list of members."""
        return [name for name in self.fields if not (obj and obj.built_in and name == "members")]

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        return ["name"] if obj and obj.built_in else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Group | None = None) -> dict[str, list[str]]:
        return {} if obj else {"name": ["display_name"]}

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not (obj and obj.built_in) and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many at once could reach the built-in ones."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions
