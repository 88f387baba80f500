"""What staff may do in the administration: a role stands for Django permissions, also of models that come later."""

from collections.abc import Set
from typing import TypeGuard

from django.apps import apps
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import StaffRole, User
from accounts.user_states import refuse_last_administrator

# What a publisher may change: whole apps, and single models of others.
PUBLISHED_APPS = {"alerts", "apis", "applications", "backends", "feedback", "issues", "policies", "subscriptions"}
PUBLISHED_MODELS = {"notifications.announcement"}


class Role(models.TextChoices):
    """Each may do all that the one above it may."""

    NONE = "", _("None")
    SUPPORT = "support", _("Support: sees everything but secrets, changes nothing")
    PUBLISHER = "publisher", _("API publisher: also changes APIs, products and subscriptions")
    ADMINISTRATOR = "administrator", _("Administrator: may do everything")


def role_of(user: User) -> Role:
    """Staff without a role have the permissions that are listed for them, if any."""
    return Role.ADMINISTRATOR if user.is_superuser else Role(user.staff_role)


def give(user: User, role: Role) -> None:
    """Raises LastAdministrator where nobody else would have that role."""
    with transaction.atomic():
        if role != Role.ADMINISTRATOR:
            refuse_last_administrator(user)
        user.is_staff = role != Role.NONE
        user.is_superuser = role == Role.ADMINISTRATOR
        user.staff_role = "" if role in (Role.NONE, Role.ADMINISTRATOR) else StaffRole(role.value)
        user.save(update_fields=["is_staff", "is_superuser", "staff_role"])


class RoleBackend(BaseBackend):
    """Signs nobody in; answers what roles may, beside the permissions that are listed for a person or his groups."""

    def has_perm(self, user_obj: User | AnonymousUser, perm: str, obj: object = None) -> bool:
        return obj is None and _has_role(user_obj) and _may(role_of(user_obj), perm)

    def has_module_perms(self, user_obj: User | AnonymousUser, app_label: str) -> bool:
        return _has_role(user_obj)

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: object = None) -> Set[str]:  # type: ignore[override]
        if obj is not None or not _has_role(user_obj):
            return set()
        every = (
            f"{model._meta.app_label}.{action}_{model._meta.model_name}"
            for model in apps.get_models()
            for action in model._meta.default_permissions
        )
        return {perm for perm in every if _may(role_of(user_obj), perm)}


def _has_role(user: User | AnonymousUser) -> TypeGuard[User]:
    return isinstance(user, User) and user.is_active and user.is_staff and user.staff_role != ""


def _may(role: Role, perm: str) -> bool:
    app_label, _dot, name = perm.partition(".")
    action, _underscore, model = name.partition("_")
    if action == "view":
        return True
    return role == Role.PUBLISHER and (app_label in PUBLISHED_APPS or f"{app_label}.{model}" in PUBLISHED_MODELS)
