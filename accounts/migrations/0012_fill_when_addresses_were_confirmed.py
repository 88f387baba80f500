"""Of those who signed up lately their event is still there."""

from django.db import migrations


def fill(apps, schema_editor):
    users = apps.get_model("accounts", "User").objects
    for event in apps.get_model("events", "Event").objects.filter(name="user.signed_up").iterator():
        users.filter(pk=event.data.get("user"), confirmed_at=None).update(confirmed_at=event.at)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_note_when_addresses_are_confirmed"),
        ("events", "0003_set_aside_what_cannot_be_told"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
