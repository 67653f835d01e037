"""The canary's and the mass guard's rows, and who noticed a gap."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitors", "0005_usage_rates"),
    ]

    operations = [
        migrations.CreateModel(
            name="Canary",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("url", models.CharField(blank=True, default="", max_length=300)),
                ("next_at", models.DateTimeField()),
                ("good_at", models.DateTimeField(null=True)),
                ("failed_from", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("error", models.CharField(blank=True, default="", max_length=300)),
                ("deaf_from", models.DateTimeField(null=True)),
                ("held_until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="MassGuard",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("recent", models.JSONField(default=dict)),
                ("count_at", models.DateTimeField(null=True)),
                ("held_from", models.DateTimeField(null=True)),
                ("held_until", models.DateTimeField(null=True)),
                ("rest_until", models.DateTimeField(null=True)),
                ("monitors", models.PositiveIntegerField(default=0)),
                ("teams", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="listeninggap",
            name="cause",
            field=models.CharField(
                choices=[("stamp", "Stamp"), ("canary", "Canary")],
                db_default="stamp",
                default="stamp",
                max_length=6,
            ),
        ),
    ]
