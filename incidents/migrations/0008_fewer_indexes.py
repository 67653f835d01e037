"""Fewer indexes on what a mass outage writes; see docs/adr/0007. Nothing is locked for long."""

import django.db.models.deletion
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models


def without_index(table, column, index, alter):
    """Take a foreign key's own index away while the table is in use."""
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"',
                f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{index}" ON "{table}" ("{column}")',
            )
        ],
        state_operations=[alter],
    )


class Migration(migrations.Migration):

    atomic = False  # they are dropped while the tables are in use
    reviewed = {
        "SeparateDatabaseAndState incidents": "drops an index concurrently, if it is there",
    }

    dependencies = [
        ('incidents', '0007_incidents_of_previous'),
    ]

    operations = [
        RemoveIndexConcurrently(model_name='delivery', name='delivery_of_team'),
        RemoveIndexConcurrently(model_name='escalation', name='escalation_due'),
        RemoveIndexConcurrently(model_name='incident', name='incident_of_team'),
        without_index(
            'incidents_escalation',
            'incident_id',
            'incidents_escalation_incident_id_2f446db0',
            migrations.AlterField(
                model_name='escalation',
                name='incident',
                field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='escalations', to='incidents.incident'),
            ),
        ),
        without_index(
            'incidents_incident',
            'previous_id',
            'incidents_incident_previous_id_465770e6',
            migrations.AlterField(
                model_name='incident',
                name='previous',
                field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='incidents.incident'),
            ),
        ),
        without_index(
            'incidents_notification',
            'incident_id',
            'incidents_notification_incident_id_12dfc3f3',
            migrations.AlterField(
                model_name='notification',
                name='incident',
                field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to='incidents.incident'),
            ),
        ),
    ]
