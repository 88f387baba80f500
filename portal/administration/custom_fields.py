"""The page of what is asked of people beside their names."""

from django.contrib import admin

from accounts.models import CustomField
from portal.administration.model_admin import ModelAdmin


@admin.register(CustomField)
class CustomFieldAdmin(ModelAdmin):
    list_display = ["label", "kind", "required", "position"]
    list_editable = ["position"]
    fields = ["label", "kind", "choices", "required", "help_text", "max_length", "position"]
