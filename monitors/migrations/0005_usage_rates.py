from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('monitors', '0004_console_and_usage'),
    ]

    operations = [
        migrations.AddField(
            model_name='usageday',
            name='currency',
            field=models.CharField(blank=True, default='', max_length=3),
        ),
        migrations.AddField(
            model_name='usageday',
            name='rate',
            field=models.DecimalField(decimal_places=4, max_digits=10, null=True),
        ),
    ]
