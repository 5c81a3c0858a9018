"""Looks of staff at a workspace as its owner has it."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0014_periods_by_time'),
    ]

    operations = [
        migrations.CreateModel(
            name='OwnerView',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('seen_by', models.CharField(help_text='Their address.', max_length=254)),
                ('reason', models.CharField(help_text='As the owners read it.', max_length=500)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField()),
                ('left_at', models.DateTimeField(blank=True, null=True)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='owner_views', to='billing.workspace')),
            ],
            options={
                'ordering': ['-started_at'],
                'permissions': [('open_ownerview', 'Can see a workspace as its owner does')],
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('seen_by', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='an_owner_view_says_who_and_why'), models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('started_at'))), name='an_owner_view_ends')],
            },
        ),
        audited("billing_ownerview"),
    ]
