"""Sums of allocations and credit are kept by the database; their rows are appended only."""

from django.db import migrations

DO = """
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

CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON payments_payment
    FOR EACH ROW EXECUTE FUNCTION billing_audit('workspace_id', 'id', '', '');
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON payments_creditentry
    FOR EACH ROW EXECUTE FUNCTION billing_audit('workspace_id', 'id', '', '');
"""
UNDO = """
DROP TRIGGER changes_are_audited ON payments_creditentry;
DROP TRIGGER changes_are_audited ON payments_payment;
DROP TRIGGER credit_is_summed ON payments_creditentry;
DROP TRIGGER allocations_are_summed ON payments_paymentallocation;
DROP TRIGGER credit_is_appended ON payments_creditentry;
DROP TRIGGER allocations_are_appended ON payments_paymentallocation;
DROP FUNCTION payments_add_credit();
DROP FUNCTION payments_add_allocation();
DROP FUNCTION payments_rows_are_appended();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_audit_log"), ("payments", "0003_payments")]

    operations = [migrations.RunSQL(DO, UNDO)]
