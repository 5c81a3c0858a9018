"""Rate cards, overrides, what providers charge and exchange rates, with rules that hold against raw SQL."""

import billing.models.periods
import billing.models.rate_cards
import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from django.db import migrations, models


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
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_providercost
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
"""
# Compiled prices and costs hold as long as the one revision does.
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
CREATE TRIGGER billing_prices_have_changed AFTER INSERT OR UPDATE ON billing_providercost
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
CREATE TRIGGER billing_prices_have_changed AFTER INSERT OR UPDATE OR DELETE ON billing_exchangerate
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
"""
UNDO = """
DROP TRIGGER billing_prices_have_changed ON billing_exchangerate;
DROP TRIGGER billing_prices_have_changed ON billing_providercost;
DROP TRIGGER billing_only_the_end_changes ON billing_providercost;
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
    dependencies = [
        ('billing', '0003_periods'),
    ]

    operations = [
        migrations.CreateModel(
            name='RateCard',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, unique=True)),
                ('currency', models.CharField(max_length=3)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='rate_card_currency_is_iso'),
                ],
            },
        ),
        migrations.CreateModel(
            name='RateCardVersion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('card', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='billing.ratecard')),
                ('number', models.PositiveIntegerField()),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('published', 'Published')], default='draft', max_length=16)),
                ('effective_from', models.DateField(blank=True, null=True)),
                ('published_at', models.DateTimeField(blank=True, null=True)),
                ('examples', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['card', 'number'],
                'constraints': [
                    models.UniqueConstraint(fields=('card', 'number'), name='one_version_per_card_and_number'),
                    models.UniqueConstraint(condition=models.Q(('status', 'published')), fields=('card', 'effective_from'), name='one_published_version_per_card_and_day'),
                    models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'published'])), name='version_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('published_at__isnull', True), ('status', 'draft')), models.Q(('effective_from__isnull', False), ('published_at__isnull', False), ('status', 'published')), _connector='OR'), name='only_a_published_version_has_been_published'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Rate',
            fields=[
                ('resource_type', models.CharField(blank=True, max_length=64, validators=[django.core.validators.RegexValidator('\\A[a-z][a-z0-9_]{0,63}\\Z', 'a-z, 0-9 and _, a letter first.')])),
                ('provider', models.CharField(blank=True, max_length=64)),
                ('model', models.CharField(blank=True, help_text='Of speech or language, as the records name it.', max_length=64)),
                ('price_json', models.JSONField(verbose_name='price')),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rates', to='billing.ratecardversion')),
                ('min_margin_percentage', models.DecimalField(blank=True, decimal_places=4, max_digits=7, null=True)),
            ],
            options={
                'ordering': ['version', 'resource_type', 'provider', 'model'],
                'constraints': [
                    models.UniqueConstraint(fields=('version', 'resource_type', 'provider', 'model'), name='one_rate_per_version_and_match'),
                    models.CheckConstraint(condition=models.Q(models.Q(('resource_type', ''), _negated=True), models.Q(('model', ''), ('provider', '')), _connector='OR'), name='rate_for_a_provider_or_model_has_a_type'),
                ],
            },
        ),
        migrations.CreateModel(
            name='RateCardAssignment',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('card', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='billing.ratecard')),
                ('currency', models.CharField(editable=False, max_length=3)),
                ('workspace', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_card_assignments', to='billing.workspace')),
                ('tier', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_card_assignments', to='billing.subscriptiontier')),
                ('starts_on', models.DateField()),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive. Empty: no end.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-starts_on', 'id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('workspace__isnull', True), ('tier__isnull', True), _connector='XOR'), name='assignment_is_to_a_workspace_or_a_tier'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='assignment_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('workspace__isnull', False)), expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_rate_card_per_workspace_and_day'),
                    django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('tier__isnull', False)), expressions=[(models.Func('tier_id', 'tier_id', template="int8range(%(expressions)s, '[]')"), '&&'), (billing.models.rate_cards.TextRange('currency'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_rate_card_per_tier_currency_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PriceOverride',
            fields=[
                ('resource_type', models.CharField(blank=True, max_length=64, validators=[django.core.validators.RegexValidator('\\A[a-z][a-z0-9_]{0,63}\\Z', 'a-z, 0-9 and _, a letter first.')])),
                ('provider', models.CharField(blank=True, max_length=64)),
                ('model', models.CharField(blank=True, help_text='Of speech or language, as the records name it.', max_length=64)),
                ('price_json', models.JSONField(verbose_name='price')),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='price_overrides', to='billing.workspace')),
                ('min_margin_percentage', models.DecimalField(blank=True, decimal_places=4, max_digits=7, null=True)),
                ('starts_on', models.DateField()),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive. Empty: no end.', null=True)),
                ('reason', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['workspace', 'resource_type', 'provider', 'model', '-starts_on'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('resource_type', ''), _negated=True), models.Q(('model', ''), ('provider', '')), _connector='OR'), name='override_for_a_provider_or_model_has_a_type'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='override_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (billing.models.rate_cards.TextRange('resource_type', 'provider', 'model'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_override_per_workspace_match_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PriceRevision',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('changes', models.BigIntegerField(default=0)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('id', 1)), name='one_price_revision'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ProviderCost',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(blank=True, help_text='Empty: every workspace.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='provider_costs', to='billing.workspace')),
                ('provider', models.CharField(help_text='As twilio.', max_length=64)),
                ('resource_type', models.CharField(blank=True, help_text='As call_minutes. Empty: any.', max_length=64, validators=[django.core.validators.RegexValidator('\\A[a-z][a-z0-9_]{0,63}\\Z', 'a-z, 0-9 and _, a letter first.')])),
                ('model', models.CharField(blank=True, help_text='Empty: any.', max_length=64)),
                ('currency', models.CharField(max_length=3)),
                ('unit_cost', models.DecimalField(decimal_places=10, max_digits=20)),
                ('starts_on', models.DateField(verbose_name='from')),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive.', null=True, verbose_name='until')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['provider', 'resource_type', 'model', 'starts_on', 'id'],
                'verbose_name': 'provider cost',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('unit_cost__gte', 0)), name='provider_cost_not_negative'),
                    models.CheckConstraint(condition=models.Q(('provider', ''), _negated=True), name='cost_is_of_a_provider'),
                    models.CheckConstraint(condition=models.Q(models.Q(('resource_type', ''), _negated=True), ('model', ''), _connector='OR'), name='cost_of_a_model_has_a_type'),
                    models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='cost_currency_is_iso'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='cost_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('workspace__isnull', True)), expressions=[(billing.models.rate_cards.TextRange('provider', 'resource_type', 'model'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_cost_per_use_and_day'),
                    django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('workspace__isnull', False)), expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (billing.models.rate_cards.TextRange('provider', 'resource_type', 'model'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_cost_per_workspace_use_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ExchangeRate',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('from_currency', models.CharField(max_length=3, verbose_name='from')),
                ('to_currency', models.CharField(max_length=3, verbose_name='to')),
                ('day', models.DateField()),
                ('rate', models.DecimalField(decimal_places=12, max_digits=20)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-day', 'from_currency', 'to_currency'],
                'constraints': [
                    models.UniqueConstraint(fields=('from_currency', 'to_currency', 'day'), name='one_exchange_rate_per_day'),
                    models.CheckConstraint(condition=models.Q(('rate__gt', 0)), name='exchange_rate_is_positive'),
                    models.CheckConstraint(condition=models.Q(('from_currency', models.F('to_currency')), _negated=True), name='exchange_rate_is_of_two_currencies'),
                    models.CheckConstraint(condition=models.Q(('from_currency__regex', '^[A-Z]{3}$'), ('to_currency__regex', '^[A-Z]{3}$')), name='exchange_rate_currencies_are_iso'),
                ],
            },
        ),
        migrations.RunSQL(FIXED + REVISION, UNDO),
        audited("billing_ratecard", workspace=""),
        audited("billing_ratecardversion", workspace=""),
        audited("billing_rate", workspace=""),
        audited("billing_ratecardassignment"),
        audited("billing_priceoverride"),
        audited("billing_providercost"),
        audited("billing_exchangerate", workspace=""),
    ]
