"""The messages that are being sent, which a claim counts by team, apart from all that wait."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # it is made while the table is in use

    dependencies = [
        ('incidents', '0008_fewer_indexes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(models.F('team'), models.F('next_attempt_at'), name='delivery_sending', condition=models.Q(('state', 'sending'))),
        ),
    ]
