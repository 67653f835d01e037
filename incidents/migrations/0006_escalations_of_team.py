"""A team's due steps, in one index with its escalations; see docs/adr/0007."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # it is made while the table is in use

    dependencies = [
        ('incidents', '0005_watching'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='escalation',
            index=models.Index(models.F('team'), models.F('next_step_at'), condition=models.Q(('next_step_at__isnull', False)), name='escalation_of_team_due'),
        ),
    ]
