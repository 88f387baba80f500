"""From what is known of calls until now: to the moment where the call itself is kept, else to its quarter of an hour."""

from datetime import timedelta

from django.db import migrations
from django.db.models import Min, Q

QUARTER = timedelta(minutes=15)
NOBODY = "00000000-0000-0000-0000-000000000000"
# As analytics.call_classes has it.
SUCCESSFUL = Q(response_code__lte=301) | Q(response_code__in=(304, 307))


def earliest(quarters, calls):
    """The first moment of each subscription; a call itself tells more than the quarter that it is in."""
    return {
        key: calls[key] if key in calls and calls[key] < quarters.get(key, calls[key]) + QUARTER else quarters[key]
        for key in quarters.keys() | calls.keys()
    }


def fill(apps, schema_editor):
    def model(name):
        return apps.get_model("analytics", name).objects.order_by()

    rollups = model("UsageQuarter").exclude(kind__subscription_id=NOBODY).values_list("kind__subscription_id")
    raw = model("Call").exclude(subscription_id=None).values_list("subscription_id")
    quarters = dict(rollups.annotate(Min("at")))
    # These are kept for longer.
    for key, quarter in model("SubscriptionQuarter").values_list("subscription_id").annotate(Min("quarter")):
        quarters[key] = min(quarter, quarters.get(key, quarter))
    called = earliest(quarters, dict(raw.annotate(Min("at"))))
    succeeded = earliest(
        dict(rollups.filter(success__gt=0).annotate(Min("at"))), dict(raw.filter(SUCCESSFUL).annotate(Min("at")))
    )
    first_call = apps.get_model("analytics", "FirstCall")
    first_call.objects.bulk_create(
        (
            # The quarter of a success can begin before its first call, which is known to the moment.
            first_call(subscription_id=key, called_at=at, succeeded_at=max(succeeded[key], at) if key in succeeded else None)
            for key, at in called.items()
        ),
        batch_size=5000,
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("analytics", "0008_first_calls")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
