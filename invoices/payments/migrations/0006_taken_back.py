"""A payment by hand that was recorded wrongly is taken back."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from django.db import migrations, models


# What it paid is taken off its invoices; the constraints of their rows refuse what does not fit.
REVERSALS = """
CREATE TRIGGER reversals_are_appended BEFORE UPDATE OR DELETE ON payments_paymentreversal
    FOR EACH ROW EXECUTE FUNCTION payments_rows_are_appended();

CREATE FUNCTION payments_take_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM payments_payment
      WHERE id = NEW.payment_id AND workspace_id = NEW.workspace_id AND way <> 'stripe';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'payment % is not one by hand of workspace %', NEW.payment_id,
            NEW.workspace_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'only_a_payment_by_hand_is_taken_back';
    END IF;
    UPDATE invoices_invoice SET amount_paid = amount_paid - share.amount
      FROM (SELECT invoice_id, sum(amount) AS amount FROM payments_paymentallocation
             WHERE payment_id = NEW.payment_id GROUP BY invoice_id) AS share
     WHERE id = share.invoice_id;
    RETURN NEW;
END $$;
CREATE TRIGGER reversals_are_summed AFTER INSERT ON payments_paymentreversal
    FOR EACH ROW EXECUTE FUNCTION payments_take_back();
"""
NO_REVERSALS = """
DROP TRIGGER reversals_are_summed ON payments_paymentreversal;
DROP TRIGGER reversals_are_appended ON payments_paymentreversal;
DROP FUNCTION payments_take_back();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0012_electronic_addresses_of_issuers'),
        ('invoices', '0006_taken_back'),
        ('payments', '0005_chargebacks'),
    ]

    operations = [
        migrations.CreateModel(
            name='PaymentReversal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('reason', models.CharField(max_length=500)),
                ('taken_back_by', models.CharField(max_length=254)),
                ('on', models.DateField(help_text="On the workspace's calendar.")),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='creditentry',
            name='credit_entry_has_its_kinds_sign',
        ),
        migrations.RemoveConstraint(
            model_name='creditentry',
            name='an_overpayment_names_its_payment',
        ),
        migrations.AlterField(
            model_name='creditentry',
            name='kind',
            field=models.CharField(choices=[('overpayment', 'Overpayment'), ('credit_note', 'Credit note'), ('spent', 'Used for an invoice'), ('returned', 'Returned from a void invoice'), ('paid_out', 'Paid out'), ('taken_back', 'Overpayment taken back')], max_length=16),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__gt', 0), ('kind__in', ['overpayment', 'credit_note', 'returned'])), models.Q(('amount__lt', 0), ('kind__in', ['spent', 'paid_out', 'taken_back'])), _connector='OR'), name='credit_entry_has_its_kinds_sign'),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['overpayment', 'taken_back']), _negated=True), ('payment__isnull', False), _connector='OR'), name='an_overpayment_names_its_payment'),
        ),
        migrations.AddField(
            model_name='paymentreversal',
            name='payment',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='reversal', to='payments.payment'),
        ),
        migrations.AddField(
            model_name='paymentreversal',
            name='workspace',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.workspace'),
        ),
        migrations.AddConstraint(
            model_name='paymentreversal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), _negated=True), models.Q(('taken_back_by', ''), _negated=True)), name='who_takes_a_payment_back_says_why'),
        ),
        migrations.RunSQL(REVERSALS, NO_REVERSALS),
        audited("payments_paymentreversal"),
    ]
