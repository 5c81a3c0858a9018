"""Payments, customers' credit, and what is given back through Stripe."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import LATER, audited
from decimal import Decimal
from django.db import migrations, models


# Sums of allocations and credit are kept by the database; their rows are appended only.
SUMS = """
CREATE FUNCTION payments_rows_are_appended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER allocations_are_appended BEFORE UPDATE OR DELETE ON payments_paymentallocation
    FOR EACH ROW EXECUTE FUNCTION payments_rows_are_appended();
CREATE TRIGGER credit_is_appended BEFORE UPDATE OR DELETE ON payments_creditentry
    FOR EACH ROW EXECUTE FUNCTION payments_rows_are_appended();

-- The constraints of the two rows updated refuse what is more than they hold.
CREATE FUNCTION payments_add_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE payments_payment SET amount_allocated = amount_allocated + NEW.amount
     WHERE id = NEW.payment_id;
    UPDATE invoices_invoice SET amount_paid = amount_paid + NEW.amount
     WHERE id = NEW.invoice_id;
    RETURN NEW;
END $$;
CREATE TRIGGER allocations_are_summed AFTER INSERT ON payments_paymentallocation
    FOR EACH ROW EXECUTE FUNCTION payments_add_allocation();

CREATE FUNCTION payments_add_credit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before numeric;
BEGIN
    SELECT balance INTO before FROM payments_creditentry
     WHERE workspace_id = NEW.workspace_id AND currency = NEW.currency
       AND position = NEW.position - 1;
    IF NEW.position <> 1 AND before IS NULL OR coalesce(before, 0) + NEW.amount <> NEW.balance THEN
        RAISE EXCEPTION 'credit % of % does not follow the entry before it', NEW.id, NEW.workspace_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_entries_follow_each_other';
    END IF;
    IF NEW.kind = 'overpayment' THEN
        UPDATE payments_payment SET amount_to_credit = amount_to_credit + NEW.amount
         WHERE id = NEW.payment_id;
    ELSIF NEW.kind IN ('spent', 'returned') THEN
        UPDATE invoices_invoice SET credit_used = credit_used - NEW.amount
         WHERE id = NEW.invoice_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER credit_is_summed BEFORE INSERT ON payments_creditentry
    FOR EACH ROW EXECUTE FUNCTION payments_add_credit();
"""
NO_SUMS = """
DROP TRIGGER credit_is_summed ON payments_creditentry;
DROP TRIGGER allocations_are_summed ON payments_paymentallocation;
DROP TRIGGER credit_is_appended ON payments_creditentry;
DROP TRIGGER allocations_are_appended ON payments_paymentallocation;
DROP FUNCTION payments_add_credit();
DROP FUNCTION payments_add_allocation();
DROP FUNCTION payments_rows_are_appended();
"""


class Migration(migrations.Migration):
    dependencies = [
        ('payments', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='billing.workspace')),
                ('way', models.CharField(choices=[('stripe', 'Stripe'), ('bank_transfer', 'Bank transfer'), ('other', 'Another way')], max_length=16)),
                ('currency', models.CharField(max_length=3)),
                ('amount', models.DecimalField(decimal_places=3, max_digits=20)),
                ('amount_allocated', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('amount_to_credit', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('received_on', models.DateField(help_text='On the bank statement; in UTC where Stripe says it.')),
                ('reference', models.CharField(blank=True, help_text='As the bank or Stripe names it.', max_length=140)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('entry', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payment', to='payments.paymententry')),
                ('key', models.CharField(blank=True, max_length=200)),
                ('recorded_by', models.CharField(max_length=254)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-received_on', '-created_at'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('way__in', ['stripe', 'bank_transfer', 'other'])), name='payment_way_is_known'),
                    models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='payment_is_positive'),
                    models.CheckConstraint(condition=models.Q(('amount__gte', models.F('amount_allocated') + models.F('amount_to_credit')), ('amount_allocated__gte', 0), ('amount_to_credit__gte', 0)), name='payment_pays_no_more_than_it_holds'),
                    models.CheckConstraint(condition=models.Q(('way', 'stripe'), ('entry__isnull', True), _connector='OR'), name='only_stripes_payments_have_its_record'),
                    models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('workspace', 'key'), name='one_payment_per_key'),
                ],
                'indexes': [
                    models.Index(fields=['workspace', '-received_on'], name='payments_of_workspace'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PaymentAllocation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='payments.payment')),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='invoices.invoice')),
                ('amount', models.DecimalField(decimal_places=3, max_digits=20)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['created_at'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='allocation_is_positive'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CreditEntry',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit', to='billing.workspace')),
                ('currency', models.CharField(max_length=3)),
                ('position', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('overpayment', 'Overpayment'), ('credit_note', 'Credit note'), ('spent', 'Used for an invoice'), ('returned', 'Returned from a void invoice'), ('paid_out', 'Paid out')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=3, help_text='Below zero where it was used.', max_digits=20)),
                ('balance', models.DecimalField(decimal_places=3, max_digits=20)),
                ('payment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_entries', to='payments.payment')),
                ('invoice', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_entries', to='invoices.invoice')),
                ('reference', models.CharField(blank=True, max_length=140)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('key', models.CharField(blank=True, max_length=200)),
                ('on', models.DateField()),
                ('source', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['workspace', 'currency', 'position'],
                'constraints': [
                    models.UniqueConstraint(fields=('workspace', 'currency', 'position'), name='credit_entries_follow_each_other'),
                    models.CheckConstraint(condition=models.Q(('balance__gte', 0)), name='no_more_credit_is_spent_than_there_is'),
                    models.CheckConstraint(condition=models.Q(models.Q(('amount__gt', 0), ('kind__in', ['overpayment', 'credit_note', 'returned'])), models.Q(('amount__lt', 0), ('kind__in', ['spent', 'paid_out'])), _connector='OR'), name='credit_entry_has_its_kinds_sign'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'overpayment'), _negated=True), ('payment__isnull', False), _connector='OR'), name='an_overpayment_names_its_payment'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['spent', 'returned']), _negated=True), ('invoice__isnull', False), _connector='OR'), name='spent_credit_names_its_invoice'),
                    models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('workspace', 'key'), name='one_credit_entry_per_key'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ReportedPayment',
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
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reported_payments', to='invoices.invoice')),
                ('allocation', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='report', to='payments.paymentallocation')),
                ('credit_entry', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='report', to='payments.creditentry')),
                ('amount', models.DecimalField(decimal_places=3, max_digits=20)),
                ('stripe_id', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('attached_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'abstract': False,
                'verbose_name': 'payment to tell Stripe of',
                'verbose_name_plural': 'payments to tell Stripe of',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='reportedpayment_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='reportedpayment_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='reportedpayment_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='reportedpayment_lease_is_whole'),
                    models.CheckConstraint(condition=models.Q(models.Q(('allocation__isnull', False), ('credit_entry__isnull', True)), models.Q(('allocation__isnull', True), ('credit_entry__isnull', False)), _connector='OR'), name='a_reported_payment_is_one_of_two_kinds'),
                    models.CheckConstraint(condition=models.Q(('attached_at__isnull', True), ('stripe_id__isnull', False), _connector='OR'), name='only_a_payment_record_can_be_attached'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='reportedpayment_unfinished'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CreditNoteSync',
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
                ('credit_note', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='sync', serialize=False, to='invoices.creditnote')),
            ],
            options={
                'abstract': False,
                'verbose_name': 'credit note for Stripe',
                'verbose_name_plural': 'credit notes for Stripe',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='creditnotesync_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='creditnotesync_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='creditnotesync_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='creditnotesync_lease_is_whole'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='creditnotesync_unfinished'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CreditNoteStep',
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
                ('sync', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='payments.creditnotesync')),
                ('position', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('lower', 'Lower what is open'), ('refund', 'Refund a payment'), ('note', 'Note what was given back')], max_length=8)),
                ('amount', models.DecimalField(decimal_places=3, max_digits=20)),
                ('entry', models.ForeignKey(blank=True, help_text='The payment that is refunded.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refund_steps', to='payments.paymententry')),
                ('stripe_id', models.CharField(blank=True, max_length=255)),
            ],
            options={
                'ordering': ['position'],
                'constraints': [
                    models.UniqueConstraint(fields=('sync', 'position'), name='one_credit_note_step_per_position'),
                    models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('kind__in', ['lower', 'refund', 'note'])), name='credit_note_step_has_a_kind_and_an_amount'),
                    models.CheckConstraint(condition=models.Q(models.Q(('entry__isnull', False), ('kind', 'refund')), models.Q(models.Q(('kind', 'refund'), _negated=True), ('entry__isnull', True)), _connector='OR'), name='only_a_refund_names_a_payment'),
                ],
            },
        ),
        migrations.RunSQL(SUMS, NO_SUMS),
        audited("payments_payment"),
        audited("payments_creditentry"),
        audited("payments_paymentallocation", LATER, workspace=""),
    ]
