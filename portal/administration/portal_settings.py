"""The page of the portal's settings: who signs up, the terms of use, who sees the portal, delegation."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import URLField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminURLInputWidget

from portal.administration.model_admin import ModelAdmin
from portalsettings import terms, validation_key
from portalsettings.models import PortalSettings, Terms


class PortalSettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    terms = forms.CharField(
        required=False,
        label=_("Terms of use"),
        max_length=200_000,
        widget=UnfoldAdminTextareaWidget({"rows": 12}),
        help_text=_("Markdown. Each change of the text is kept as a version of its own. Empty: there are no terms."),
    )

    class Meta:
        widgets = {
            "allowed_domains": UnfoldAdminTextareaWidget({"rows": 3}),
            "notice": UnfoldAdminTextareaWidget({"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "terms" in self.fields:
            in_force = Terms.objects.in_force()
            self.fields["terms"].initial = in_force.text if in_force else ""


@never_cache
def key_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """GET asks; POST makes the validation key and shows it, this once."""
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Validation key of delegation"),
        "opts": model_admin.opts,
        "key": None,
    }
    if request.method == "POST":
        with transaction.atomic():
            context["key"] = validation_key.regenerate()
            model_admin.log_change(request, PortalSettings.objects.get(), str(_("A new validation key was made.")))
        messages.success(request, _("The new key is in use, and the old one has stopped working."))
    return render(request, "admin/portalsettings/portalsettings/key.html", context)


@admin.register(PortalSettings)
class PortalSettingsAdmin(ModelAdmin):
    """There is one row, so that its list leads straight to it."""

    help_texts = {
        "sign_up": _("Who makes an account for himself."),
    }
    form = PortalSettingsForm
    formfield_overrides = {URLField: {"widget": UnfoldAdminURLInputWidget, "assume_scheme": "https"}}
    readonly_fields = ["shown_key"]
    custom_urls = [("validation-key/", "portalsettings_key", key_page)]
    change_form_outer_before_template = "admin/portalsettings/portalsettings/_links.html"
    fieldsets = [
        (_("Sign-up"), {"fields": ["sign_up", "teams_invite_people", "allowed_domains", "approval_required"]}),
        (_("Terms of use"), {"fields": ["terms", "terms_consent", "terms_required"]}),
        (_("Visitors"), {"fields": ["sign_in_required", "unknown_account_mails", "notice"]}),
        (_("Issues"), {"fields": ["issues"]}),
        (_("Administrators"), {"fields": ["second_factor_required"]}),
        (_("Delegation"), {"fields": ["delegation_url", "shown_key", "delegates_sign_in", "delegates_subscriptions"]}),
    ]

    @admin.display(description=_("validation key"))
    def shown_key(self, portal_settings: PortalSettings) -> str:
        return str(_("Made; it was shown once.") if portal_settings.delegation_key else _("None yet."))

    def save_model(self, request: HttpRequest, obj: PortalSettings, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "terms" in form.cleaned_data:
            terms.publish(form.cleaned_data["terms"])

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PortalSettings | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        row, _is_new = PortalSettings.objects.get_or_create(pk=1)
        return redirect("admin:portalsettings_portalsettings_change", row.pk)
