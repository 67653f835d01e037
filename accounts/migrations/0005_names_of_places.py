from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_kept_answers'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='given_name',
            field=models.CharField(blank=True, default='', max_length=120),
        ),
    ]
