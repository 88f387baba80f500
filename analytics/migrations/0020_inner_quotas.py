import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("analytics", "0019_find_errors_of_all_fast"),
        ("subscriptions", "0011_list_the_newest_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="InnerQuotaUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("product_id", models.BigIntegerField(verbose_name="product ID")),
                ("period_start", models.DateTimeField(verbose_name="period start")),
                ("calls", models.PositiveBigIntegerField(verbose_name="calls")),
                ("bytes", models.PositiveBigIntegerField(db_default=0, default=0, help_text="In both directions; counted where the quota limits them.", verbose_name="bytes")),
                ("api_id", models.BigIntegerField(verbose_name="API ID")),
                ("operation_id", models.BigIntegerField(help_text="0 for the API as a whole.", verbose_name="operation ID")),
                ("subscription", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="inner_quota_uses", to="subscriptions.subscription", verbose_name="subscription")),
            ],
            options={
                "verbose_name": "inner quota use",
                "verbose_name_plural": "inner quota uses",
                "constraints": [models.UniqueConstraint(fields=("subscription", "api_id", "operation_id"), name="inner_quota_use_unique")],
            },
        ),
        # The column stays as it is: a relation without a constraint is the same to the database.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(model_name="quotause", name="subscription_id"),
                migrations.AddField(
                    model_name="quotause",
                    name="subscription",
                    field=models.OneToOneField(db_constraint=False, default=None, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name="quota_use", serialize=False, to="subscriptions.subscription", verbose_name="subscription"),
                    preserve_default=False,
                ),
            ],
        ),
        migrations.RemoveConstraint(model_name="quotawarning", name="quota_warning_once"),
        migrations.AddField(
            model_name="quotawarning",
            name="api_id",
            field=models.BigIntegerField(db_default=0, default=0, verbose_name="API ID"),
        ),
        migrations.AddField(
            model_name="quotawarning",
            name="operation_id",
            field=models.BigIntegerField(db_default=0, default=0, verbose_name="operation ID"),
        ),
        migrations.AddConstraint(
            model_name="quotawarning",
            constraint=models.UniqueConstraint(fields=("subscription_id", "api_id", "operation_id", "period_start", "percent"), name="quota_warning_once"),
        ),
    ]
