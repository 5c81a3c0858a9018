"""Rules of fees that hold against raw SQL too, and the first tier of every workspace."""

from importlib import import_module

from django.db import migrations

audit = import_module("billing.migrations.0008_audit_log")

# The days a workspace is on its first tier begin with it, through whichever door it came.
FIRST_TIER = """
CREATE FUNCTION billing_first_tier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO billing_tierchange (workspace_id, tier_id, "on")
        VALUES (NEW.id, NEW.tier_id, (NEW.created_at AT TIME ZONE NEW.timezone)::date);
    RETURN NULL;
END $$;
CREATE TRIGGER billing_first_tier AFTER INSERT ON billing_workspace
    FOR EACH ROW EXECUTE FUNCTION billing_first_tier();
INSERT INTO billing_tierchange (workspace_id, tier_id, "on")
    SELECT id, tier_id, (created_at AT TIME ZONE timezone)::date FROM billing_workspace;
"""
FIXED = """
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_addon
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_commitment
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_discount
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();

CREATE FUNCTION billing_only_limits_of_coupons_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    limits text[] := ARRAY['max_redemptions', 'expires_at', 'redemptions'];
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) - limits <> to_jsonb(NEW) - limits THEN
        RAISE EXCEPTION 'only the limits of a coupon change: let it expire and make another'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_only_limits_of_coupons_change BEFORE UPDATE OR DELETE ON billing_coupon
    FOR EACH ROW EXECUTE FUNCTION billing_only_limits_of_coupons_change();

CREATE FUNCTION billing_charges_are_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a closed period was charged never changes'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER billing_charges_are_frozen BEFORE UPDATE OR DELETE ON billing_periodcharge
    FOR EACH ROW EXECUTE FUNCTION billing_charges_are_frozen();

-- Whose year had begun, or was paid, with another interval?
CREATE FUNCTION billing_interval_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_tierchange WHERE tier_id = NEW.id) THEN
        RAISE EXCEPTION 'the interval of a tier that workspaces are on never changes'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_interval_is_fixed BEFORE UPDATE OF interval ON billing_subscriptiontier
    FOR EACH ROW WHEN (OLD.interval IS DISTINCT FROM NEW.interval)
    EXECUTE FUNCTION billing_interval_is_fixed();
"""
UNDO = """
DROP TRIGGER billing_interval_is_fixed ON billing_subscriptiontier;
DROP FUNCTION billing_interval_is_fixed();
DROP TRIGGER billing_charges_are_frozen ON billing_periodcharge;
DROP FUNCTION billing_charges_are_frozen();
DROP TRIGGER billing_only_limits_of_coupons_change ON billing_coupon;
DROP FUNCTION billing_only_limits_of_coupons_change();
DROP TRIGGER billing_only_the_end_changes ON billing_discount;
DROP TRIGGER billing_only_the_end_changes ON billing_commitment;
DROP TRIGGER billing_only_the_end_changes ON billing_addon;
DROP TRIGGER billing_first_tier ON billing_workspace;
DROP FUNCTION billing_first_tier();
"""
_EVERY = "INSERT OR UPDATE OR DELETE"
AUDITED = {
    "billing_addon": (_EVERY, "workspace_id", "id", "", ""),
    "billing_commitment": (_EVERY, "workspace_id", "id", "", ""),
    "billing_discount": (_EVERY, "workspace_id", "id", "", ""),
    # That one was redeemed is an entry of its discount.
    "billing_coupon": (_EVERY, "", "id", "redemptions", ""),
}


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_fees")]

    operations = [migrations.RunSQL(FIRST_TIER + FIXED, UNDO), audit.triggers(AUDITED)]
