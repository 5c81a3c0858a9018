"""What providers charge, and exchange rates."""

import billing.models.periods
import billing.models.rate_cards
import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models

# Compiled prices and costs hold as long as the one revision does.
TRIGGERS = """
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_providercost
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
CREATE TRIGGER billing_prices_have_changed AFTER INSERT OR UPDATE ON billing_providercost
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
CREATE TRIGGER billing_prices_have_changed AFTER INSERT OR UPDATE OR DELETE ON billing_exchangerate
    FOR EACH STATEMENT EXECUTE FUNCTION billing_prices_have_changed();
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON billing_providercost
    FOR EACH ROW EXECUTE FUNCTION billing_audit('workspace_id', 'id', '', '');
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON billing_exchangerate
    FOR EACH ROW EXECUTE FUNCTION billing_audit('', 'id', '', '');
"""
UNDO = """
DROP TRIGGER changes_are_audited ON billing_exchangerate;
DROP TRIGGER changes_are_audited ON billing_providercost;
DROP TRIGGER billing_prices_have_changed ON billing_exchangerate;
DROP TRIGGER billing_prices_have_changed ON billing_providercost;
DROP TRIGGER billing_only_the_end_changes ON billing_providercost;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0011_owners_see'),
    ]

    operations = [
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
                'constraints': [models.UniqueConstraint(fields=('from_currency', 'to_currency', 'day'), name='one_exchange_rate_per_day'), models.CheckConstraint(condition=models.Q(('rate__gt', 0)), name='exchange_rate_is_positive'), models.CheckConstraint(condition=models.Q(('from_currency', models.F('to_currency')), _negated=True), name='exchange_rate_is_of_two_currencies'), models.CheckConstraint(condition=models.Q(('from_currency__regex', '^[A-Z]{3}$'), ('to_currency__regex', '^[A-Z]{3}$')), name='exchange_rate_currencies_are_iso')],
            },
        ),
        migrations.CreateModel(
            name='ProviderCost',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('provider', models.CharField(help_text='As twilio.', max_length=64)),
                ('resource_type', models.CharField(blank=True, help_text='As call_minutes. Empty: any.', max_length=64, validators=[django.core.validators.RegexValidator('\\A[a-z][a-z0-9_]{0,63}\\Z', 'a-z, 0-9 and _, a letter first.')])),
                ('model', models.CharField(blank=True, help_text='Empty: any.', max_length=64)),
                ('currency', models.CharField(max_length=3)),
                ('unit_cost', models.DecimalField(decimal_places=10, max_digits=20)),
                ('starts_on', models.DateField(verbose_name='from')),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive.', null=True, verbose_name='until')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('workspace', models.ForeignKey(blank=True, help_text='Empty: every workspace.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='provider_costs', to='billing.workspace')),
            ],
            options={
                'verbose_name': 'provider cost',
                'ordering': ['provider', 'resource_type', 'model', 'starts_on', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('unit_cost__gte', 0)), name='provider_cost_not_negative'), models.CheckConstraint(condition=models.Q(('provider', ''), _negated=True), name='cost_is_of_a_provider'), models.CheckConstraint(condition=models.Q(models.Q(('resource_type', ''), _negated=True), ('model', ''), _connector='OR'), name='cost_of_a_model_has_a_type'), models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='cost_currency_is_iso'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='cost_ends_after_its_start'), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('workspace__isnull', True)), expressions=[(billing.models.rate_cards.TextRange('provider', 'resource_type', 'model'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_cost_per_use_and_day'), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('workspace__isnull', False)), expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (billing.models.rate_cards.TextRange('provider', 'resource_type', 'model'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_cost_per_workspace_use_and_day')],
            },
        ),
        migrations.RunSQL(TRIGGERS, UNDO),
    ]
