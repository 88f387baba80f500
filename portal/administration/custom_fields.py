"""The page of what is asked of people beside their names."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.models import CustomField
from portal.administration.model_admin import ModelAdmin


@admin.register(CustomField)
class CustomFieldAdmin(ModelAdmin):
    help_texts = {
        "label": _("What people read beside the field."),
        "kind": _("What can be filled in."),
        "help_text": _("A line below the field, as this one."),
        "position": _("The lowest comes first."),
    }
    list_display = ["label", "kind", "required", "position"]
    list_editable = ["position"]
    fields = ["label", "kind", "choices", "required", "help_text", "max_length", "position"]
