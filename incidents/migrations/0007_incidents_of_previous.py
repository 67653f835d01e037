"""Of previous incidents only those that are one; see docs/adr/0007."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # it is made while the table is in use

    dependencies = [
        ('incidents', '0006_escalations_of_team'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='incident',
            index=models.Index(models.F('previous'), condition=models.Q(('previous__isnull', False)), name='incident_of_previous'),
        ),
    ]
