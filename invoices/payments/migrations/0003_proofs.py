"""Proofs of the ledger, and reconciliation with Stripe."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('payments', '0002_payments'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProofRun',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('passed', models.BooleanField(null=True)),
                ('periods', models.PositiveIntegerField(default=0)),
                ('steps', models.JSONField(default=list, help_text='Each with its result and first difference.')),
                ('differences', models.JSONField(default=list, help_text='The first ones of each step.')),
            ],
            options={
                'ordering': ['-started_at'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('passed__isnull', True)), models.Q(('finished_at__isnull', False), ('passed__isnull', False)), _connector='OR'), name='a_finished_proof_has_a_result'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('days', models.PositiveSmallIntegerField()),
                ('checked', models.PositiveIntegerField(default=0)),
                ('healed', models.PositiveIntegerField(default=0)),
                ('error', models.TextField(blank=True, help_text='Why it stopped before its end.')),
            ],
            options={
                'ordering': ['-started_at'],
            },
        ),
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='differences', to='payments.reconciliationrun')),
                ('invoice', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='differences', to='invoices.invoice')),
                ('stripe_invoice_id', models.CharField(blank=True, max_length=255)),
                ('kind', models.CharField(choices=[('status', 'Status'), ('total', 'Total'), ('currency', 'Currency'), ('items', 'Items'), ('payments', 'Payments'), ('refunds', 'Refunds'), ('missing_in_stripe', 'Missing in Stripe'), ('unknown_here', 'Unknown here')], max_length=24)),
                ('ours', models.CharField(blank=True, max_length=200)),
                ('theirs', models.CharField(blank=True, max_length=200)),
                ('remedy', models.CharField(blank=True, choices=[('settle', "Take over Stripe's status"), ('sync', 'Send it to Stripe again'), ('void_in_stripe', 'Void it in Stripe')], max_length=16)),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('resolved_by', models.CharField(blank=True, help_text='A person, or the run that healed it.', max_length=200)),
            ],
            options={
                'ordering': ['resolved_at', 'kind', 'id'],
                'indexes': [
                    models.Index(condition=models.Q(('resolved_at__isnull', True)), fields=['run'], name='open_differences'),
                ],
            },
        ),
    ]
