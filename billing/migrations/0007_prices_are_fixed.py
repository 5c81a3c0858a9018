"""Rules of prices that hold against raw SQL too, and the row that says when a price changed."""

from django.db import migrations

# A version's rates are looked at under its row lock, so that none slips in while it is published.
FIXED = """
CREATE FUNCTION billing_published_prices_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'draft' THEN
        RAISE EXCEPTION 'a published version of a rate card never changes: publish another one'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER billing_published_prices_are_fixed BEFORE UPDATE OR DELETE
    ON billing_ratecardversion
    FOR EACH ROW EXECUTE FUNCTION billing_published_prices_are_fixed();

CREATE FUNCTION billing_rates_belong_to_drafts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row record := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    state text;
BEGIN
    SELECT status INTO state FROM billing_ratecardversion WHERE id = row.version_id FOR SHARE;
    IF state <> 'draft' OR (TG_OP = 'UPDATE' AND OLD.version_id <> NEW.version_id) THEN
        RAISE EXCEPTION 'a published version of a rate card never changes: publish another one'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN row;
END $$;
CREATE TRIGGER billing_rates_belong_to_drafts BEFORE INSERT OR UPDATE OR DELETE ON billing_rate
    FOR EACH ROW EXECUTE FUNCTION billing_rates_belong_to_drafts();

CREATE FUNCTION billing_only_the_end_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) - 'ends_on' <> to_jsonb(NEW) - 'ends_on' THEN
        RAISE EXCEPTION 'only the end of % changes: end this one and add another', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_ratecardassignment
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_priceoverride
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
"""
REVISION = """
CREATE FUNCTION billing_prices_have_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO billing_pricerevision AS revision (id, changes) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET changes = revision.changes + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER billing_prices_have_changed AFTER UPDATE OF status ON billing_ratecardversion
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
CREATE TRIGGER billing_prices_have_changed AFTER INSERT OR UPDATE ON billing_ratecardassignment
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
CREATE TRIGGER billing_prices_have_changed AFTER INSERT OR UPDATE ON billing_priceoverride
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
"""
UNDO = """
DROP TRIGGER billing_prices_have_changed ON billing_priceoverride;
DROP TRIGGER billing_prices_have_changed ON billing_ratecardassignment;
DROP TRIGGER billing_prices_have_changed ON billing_ratecardversion;
DROP FUNCTION billing_prices_have_changed();
DROP TRIGGER billing_only_the_end_changes ON billing_priceoverride;
DROP TRIGGER billing_only_the_end_changes ON billing_ratecardassignment;
DROP FUNCTION billing_only_the_end_changes();
DROP TRIGGER billing_rates_belong_to_drafts ON billing_rate;
DROP FUNCTION billing_rates_belong_to_drafts();
DROP TRIGGER billing_published_prices_are_fixed ON billing_ratecardversion;
DROP FUNCTION billing_published_prices_are_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_rate_cards")]

    operations = [migrations.RunSQL(FIXED + REVISION, UNDO)]
