
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0009_active_period'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='limitalert',
            name='one_alert_per_period_and_kind',
        ),
        migrations.AddConstraint(
            model_name='limitalert',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'limit')), fields=('period', 'usage_limit'), name='one_limit_alert_per_period_and_limit'),
        ),
        migrations.AddConstraint(
            model_name='limitalert',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'threshold')), fields=('period', 'usage_limit', 'threshold_percentage'), name='one_threshold_alert_per_period_and_level'),
        ),
    ]
