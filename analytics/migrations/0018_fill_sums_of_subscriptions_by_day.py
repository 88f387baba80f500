"""Sums by subscription and user, from those that tell all apart."""

from importlib import import_module

from django.db import migrations


def fill(apps, schema_editor):
    fill_tables = import_module("analytics.migrations.0013_fill_totals").fill_tables
    fill_tables(apps, [("UsageDay", "SubscriptionDay", ("subscription_id", "user_id"))])


class Migration(migrations.Migration):
    dependencies = [("analytics", "0017_sums_of_subscriptions_by_day")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
