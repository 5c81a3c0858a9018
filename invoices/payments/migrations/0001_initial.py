"""What Stripe knows of customers and invoices, and what it was told and says."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import LATER, audited
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('invoices', '0002_credit_notes'),
    ]

    operations = [
        migrations.CreateModel(
            name='StripeCustomer',
            fields=[
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('blocked', 'Blocked'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('blocked_reason', models.CharField(blank=True, choices=[('refused', 'Refused'), ('exhausted', 'Tried in vain for too long'), ('mismatch', 'The total differs'), ('changed', 'Changed by somebody else')], max_length=16)),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Tries since it last worked, the present one with them.')),
                ('last_error', models.TextField(blank=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('queued_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('lease_expires_at', models.DateTimeField(blank=True, null=True)),
                ('key_version', models.PositiveSmallIntegerField(default=0)),
                ('idempotency_key', models.CharField(blank=True, max_length=255)),
                ('key_used_at', models.DateTimeField(blank=True, help_text='When the present key was first used.', null=True)),
                ('key_spent', models.BooleanField(default=False, help_text='The key would only repeat its last answer.')),
                ('params', models.JSONField(blank=True, default=dict)),
                ('times_tried', models.PositiveIntegerField(default=0)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='stripe_customer', serialize=False, to='billing.workspace')),
                ('stripe_id', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('generation', models.PositiveSmallIntegerField(default=1)),
                ('missing_since', models.DateTimeField(blank=True, help_text='When the last customer was found deleted in Stripe.', null=True)),
            ],
            options={
                'abstract': False,
                'verbose_name': 'customer in Stripe',
                'verbose_name_plural': 'customers in Stripe',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='stripecustomer_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='stripecustomer_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='stripecustomer_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='stripecustomer_lease_is_whole'),
                    models.CheckConstraint(condition=models.Q(('stripe_id__isnull', False), ('status__in', ['done', 'failed']), _connector='OR'), name='only_a_customer_in_stripe_has_details_to_send'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='stripecustomer_unfinished'),
                ],
            },
        ),
        migrations.CreateModel(
            name='SavedCard',
            fields=[
                ('session_id', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.workspace')),
                ('stripe_id', models.CharField(max_length=255)),
                ('saved_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='StripeSync',
            fields=[
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('blocked', 'Blocked'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('blocked_reason', models.CharField(blank=True, choices=[('refused', 'Refused'), ('exhausted', 'Tried in vain for too long'), ('mismatch', 'The total differs'), ('changed', 'Changed by somebody else')], max_length=16)),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Tries since it last worked, the present one with them.')),
                ('last_error', models.TextField(blank=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('queued_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('lease_expires_at', models.DateTimeField(blank=True, null=True)),
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='stripe_sync', serialize=False, to='invoices.invoice')),
                ('build', models.PositiveSmallIntegerField(default=1)),
            ],
            options={
                'abstract': False,
                'verbose_name': 'Stripe sync',
                'verbose_name_plural': 'Stripe syncs',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='stripesync_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='stripesync_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='stripesync_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='stripesync_lease_is_whole'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='stripesync_unfinished'),
                ],
            },
        ),
        migrations.CreateModel(
            name='StripeSyncStep',
            fields=[
                ('key_version', models.PositiveSmallIntegerField(default=0)),
                ('idempotency_key', models.CharField(blank=True, max_length=255)),
                ('key_used_at', models.DateTimeField(blank=True, help_text='When the present key was first used.', null=True)),
                ('key_spent', models.BooleanField(default=False, help_text='The key would only repeat its last answer.')),
                ('params', models.JSONField(blank=True, default=dict)),
                ('times_tried', models.PositiveIntegerField(default=0)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('sync', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='payments.stripesync')),
                ('build', models.PositiveSmallIntegerField()),
                ('position', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('customer', 'Customer'), ('discard', 'Delete earlier drafts'), ('draft', 'Draft'), ('item', 'Line'), ('compare', 'Compare the total'), ('finalize', 'Finalize'), ('report', 'Tell what was paid already'), ('send', 'Send'), ('pay', 'Charge')], max_length=16)),
                ('subject', models.CharField(blank=True, max_length=40)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('done', 'Done'), ('waiting', 'Waiting to try again'), ('blocked', 'Blocked: needs a person'), ('failed', 'Did not work; the sync went on'), ('abandoned', 'Replaced by a later build')], default='pending', max_length=16)),
                ('stripe_id', models.CharField(blank=True, max_length=255)),
                ('last_error', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['build', 'position'],
                'constraints': [
                    models.UniqueConstraint(fields=('sync', 'build', 'kind', 'subject'), name='one_step_per_build_and_subject'),
                    models.UniqueConstraint(fields=('sync', 'build', 'position'), name='one_step_per_build_and_position'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['customer', 'discard', 'draft', 'item', 'compare', 'finalize', 'report', 'send', 'pay'])), name='sync_step_kind_is_known'),
                    models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'done', 'waiting', 'blocked', 'failed', 'abandoned'])), name='sync_step_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('done_at__isnull', False), ('status', 'done')), models.Q(('status', 'done'), _negated=True), _connector='OR'), name='a_done_sync_step_has_its_time'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PaymentEntry',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='payment_entries', to='invoices.invoice')),
                ('kind', models.CharField(choices=[('payment', 'Payment'), ('refund', 'Refund'), ('dispute', 'Dispute'), ('credit_note', 'Credit note')], max_length=16)),
                ('stripe_id', models.CharField(max_length=255, unique=True)),
                ('charge_id', models.CharField(blank=True, db_index=True, max_length=255)),
                ('payment_intent_id', models.CharField(blank=True, db_index=True, max_length=255)),
                ('amount', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('amount_refunded', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('status', models.CharField(help_text='As Stripe calls it.', max_length=40)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('occurred_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['occurred_at', 'stripe_id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('kind__in', ['payment', 'refund', 'dispute', 'credit_note'])), name='payment_entry_kind_is_known'),
                    models.CheckConstraint(condition=models.Q(('amount__gte', 0), ('amount_refunded__gte', 0), ('amount_refunded__lte', models.F('amount'))), name='payment_entry_amounts_within_bounds'),
                ],
                'indexes': [
                    models.Index(fields=['invoice', 'kind'], name='payment_entries_of_invoice'),
                ],
            },
        ),
        migrations.CreateModel(
            name='InvoiceAction',
            fields=[
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('blocked', 'Blocked'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('blocked_reason', models.CharField(blank=True, choices=[('refused', 'Refused'), ('exhausted', 'Tried in vain for too long'), ('mismatch', 'The total differs'), ('changed', 'Changed by somebody else')], max_length=16)),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Tries since it last worked, the present one with them.')),
                ('last_error', models.TextField(blank=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('queued_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('lease_expires_at', models.DateTimeField(blank=True, null=True)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='actions', to='invoices.invoice')),
                ('kind', models.CharField(choices=[('retry_payment', 'Retry the payment'), ('void', 'Void'), ('mark_uncollectible', 'Write off')], max_length=24)),
                ('reason', models.TextField(blank=True, help_text='Why, as the customer may read it.')),
                ('reissue', models.BooleanField(default=False, help_text='Of a void: bill the same usage on a new invoice.')),
                ('decided_on', models.DateField(blank=True, null=True)),
                ('reference', models.CharField(blank=True, help_text='Of the decision: a ticket, a letter.', max_length=140)),
                ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('requested_by', models.CharField(help_text="A person's address, or what in the system asked for it.", max_length=254)),
                ('key', models.CharField(blank=True, max_length=40)),
            ],
            options={
                'abstract': False,
                'ordering': ['-requested_at'],
                'verbose_name': 'action on an invoice',
                'verbose_name_plural': 'actions on invoices',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='invoiceaction_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='invoiceaction_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='invoiceaction_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='invoiceaction_lease_is_whole'),
                    models.UniqueConstraint(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=('invoice',), name='one_unfinished_action_per_invoice'),
                    models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('invoice', 'key'), name='one_action_per_invoice_key'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['retry_payment', 'void', 'mark_uncollectible'])), name='action_kind_is_known'),
                    models.CheckConstraint(condition=models.Q(('kind', 'retry_payment'), models.Q(('reason', ''), _negated=True), _connector='OR'), name='giving_up_money_is_asked_for_with_a_reason'),
                    models.CheckConstraint(condition=models.Q(('kind', 'void'), ('reissue', False), _connector='OR'), name='only_what_is_void_is_reissued'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='invoiceaction_unfinished'),
                ],
            },
        ),
        migrations.CreateModel(
            name='HandledEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.CharField(max_length=255)),
                ('handler', models.CharField(max_length=100)),
                ('event_type', models.CharField(max_length=100)),
                ('outcome', models.CharField(blank=True, max_length=200)),
                ('handled_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-handled_at'],
                'constraints': [
                    models.UniqueConstraint(fields=('event_id', 'handler'), name='each_handler_takes_an_event_once'),
                ],
                'indexes': [
                    models.Index(fields=['handled_at'], name='handled_events_by_age'),
                ],
            },
        ),
        migrations.CreateModel(
            name='RetiringWebhookSecret',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('endpoint_uuid', models.UUIDField(help_text="The one in the endpoint's address.")),
                ('secret', models.CharField(editable=False, max_length=256)),
                ('valid_until', models.DateTimeField()),
            ],
            options={
                'ordering': ['-valid_until'],
                'constraints': [
                    models.UniqueConstraint(fields=('endpoint_uuid', 'secret'), name='a_secret_retires_once_per_endpoint'),
                ],
            },
        ),
        # That they are written is the act of Stripe's events.
        audited("payments_paymententry", LATER, workspace="", ignored="updated_at"),
    ]
