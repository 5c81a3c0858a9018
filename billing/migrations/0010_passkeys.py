"""Passkeys."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from billing.migrations._audit import audited


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0009_reversals_credited'),
    ]

    operations = [
        migrations.CreateModel(
            name='Passkey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='The human-readable name of this device.', max_length=64)),
                ('confirmed', models.BooleanField(default=True, help_text='Is this device ready for use?')),
                ('credential_id', models.BinaryField(max_length=1023, unique=True)),
                ('public_key', models.BinaryField(max_length=2048)),
                ('sign_count', models.BigIntegerField(default=0)),
                ('transports', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=16), default=list, size=None)),
                ('host', models.CharField(max_length=253)),
                ('created_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('sign_count__gte', 0)), name='passkey_use_counts_up'), models.UniqueConstraint(fields=('user', 'name'), name='one_passkey_per_user_and_name')],
            },
        ),
        # That one was used is no change.
        audited(
            "billing_passkey",
            workspace="",
            key="user_id",
            ignored="credential_id public_key sign_count transports last_used_at created_at"
            " confirmed",
        ),
    ]
