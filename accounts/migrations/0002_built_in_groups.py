"""The three groups that every service has; who belongs to them is decided by rule, not by a list."""

from django.db import migrations

BUILT_IN = (
    ("administrators", "Administrators", "Manage the service."),
    ("developers", "Developers", "Everybody who has signed in."),
    ("guests", "Guests", "Everybody, signed in or not."),
)


def add(apps, schema_editor):
    Group = apps.get_model("accounts", "Group")
    for name, display_name, description in BUILT_IN:
        Group.objects.update_or_create(
            name=name, defaults={"display_name": display_name, "description": description, "built_in": True}
        )


def remove(apps, schema_editor):
    apps.get_model("accounts", "Group").objects.filter(built_in=True).delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
