"""What the operator is told, and the watchdog's rounds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0004_rescue"),
    ]

    operations = [
        migrations.CreateModel(
            name="OperatorNotice",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("gap", "We were not listening"),
                            ("canary", "Our own pushes do not get through"),
                            ("guard", "A wave of silences is held back"),
                            ("engine", "The standby does the engine's work"),
                            ("watchdog", "The watchdog's round did not complete"),
                        ],
                        max_length=8,
                    ),
                ),
                ("key", models.CharField(max_length=80, unique=True)),
                ("at", models.DateTimeField()),
                ("text", models.TextField(max_length=1000)),
                ("try_at", models.DateTimeField()),
                ("mailed_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("kind"),
                        condition=models.Q(("mailed_at", None)),
                        name="operatornotice_unmailed",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="WatchRound",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("incident_id", models.UUIDField(null=True)),
                ("told_at", models.DateTimeField(null=True)),
                ("over_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("result", models.CharField(blank=True, default="", max_length=6)),
                ("stuck", models.CharField(blank=True, default="", max_length=80)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        models.Value(1),
                        condition=models.Q(("ended_at", None)),
                        name="watchround_one_runs",
                    )
                ],
            },
        ),
    ]
