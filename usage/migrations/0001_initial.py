"""Agents, calls, and when each provider was last heard of."""

import billing.models.fields
import django.db.models.deletion
import django.utils.timezone
import uuid
from decimal import Decimal
from django.db import migrations, models


# Whether a workspace has agents is kept with its pricing terms, which are compared with the version
# of its row: with its first agent the row gets a new one.
FIRST_AGENT = """
CREATE FUNCTION usage_first_agent_of_workspace() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE billing_workspace SET name = name
     WHERE id = NEW.workspace_id
       AND NOT EXISTS (SELECT FROM usage_voiceagent AS other
                        WHERE other.workspace_id = NEW.workspace_id AND other.id <> NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER usage_first_agent_of_workspace AFTER INSERT ON usage_voiceagent
    FOR EACH ROW EXECUTE FUNCTION usage_first_agent_of_workspace();
"""
NO_FIRST_AGENT = """
DROP TRIGGER usage_first_agent_of_workspace ON usage_voiceagent;
DROP FUNCTION usage_first_agent_of_workspace();
"""
# Rollups are updated in place all the time: room in the page keeps that cheap.
STORAGE = """
ALTER TABLE usage_callrollup SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ('billing', '0006_taxes'),
    ]

    operations = [
        migrations.CreateModel(
            name='VoiceAgent',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='agents', to='billing.workspace')),
                ('name', billing.models.fields.LineField(max_length=200)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('live', 'Live'), ('paused', 'Paused')], default='draft', max_length=8)),
                ('paused_reason', models.CharField(blank=True, choices=[('usage_limit', 'Usage limit'), ('suspended', 'Suspended'), ('manual', 'Manual')], max_length=16, null=True)),
                ('created_from', models.CharField(blank=True, editable=False, max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['name', 'id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('paused_reason__in', ['usage_limit', 'suspended', 'manual']), ('status', 'paused')), models.Q(('paused_reason__isnull', True), ('status__in', ['draft', 'live'])), _connector='OR'), name='only_a_paused_agent_has_a_reason'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Call',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='billing.workspace')),
                ('agent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='usage.voiceagent')),
                ('direction', models.CharField(choices=[('inbound', 'Inbound'), ('outbound', 'Outbound')], max_length=8)),
                ('status', models.CharField(choices=[('in_progress', 'In progress'), ('completed', 'Completed'), ('failed', 'Failed'), ('busy', 'Busy'), ('no_answer', 'No answer'), ('cancelled', 'Cancelled')], max_length=16)),
                ('provider', models.CharField(max_length=64)),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('duration_seconds', models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True)),
                ('local_date', models.DateField(editable=False)),
                ('local_hour', models.PositiveSmallIntegerField(editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-started_at', '-id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('direction__in', ['inbound', 'outbound'])), name='call_direction_is_known'),
                    models.CheckConstraint(condition=models.Q(('status__in', ['in_progress', 'completed', 'failed', 'busy', 'no_answer', 'cancelled'])), name='call_status_is_known'),
                    models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('started_at')), _connector='OR'), name='call_ends_after_its_start'),
                    models.CheckConstraint(condition=models.Q(('duration_seconds__isnull', True), ('duration_seconds__gte', 0), _connector='OR'), name='call_duration_not_negative'),
                    models.CheckConstraint(condition=models.Q(('local_hour__lt', 24)), name='call_hour_of_a_day'),
                ],
                'indexes': [
                    models.Index(fields=['workspace', '-started_at', '-id'], name='calls_of_workspace'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CallRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.workspace')),
                ('local_date', models.DateField()),
                ('local_hour', models.PositiveSmallIntegerField()),
                ('provider', models.CharField(max_length=64)),
                ('status', models.CharField(max_length=16)),
                ('direction', models.CharField(max_length=8)),
                ('calls', models.BigIntegerField()),
                ('timed_calls', models.BigIntegerField(default=0)),
                ('duration_seconds', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('workspace', 'local_date', 'local_hour', 'provider', 'status', 'direction'), name='one_call_rollup_per_hour_and_kind'),
                    models.CheckConstraint(condition=models.Q(('calls__gte', 0), ('duration_seconds__gte', 0), ('timed_calls__gte', 0)), name='call_rollup_not_negative'),
                    models.CheckConstraint(condition=models.Q(('timed_calls__lte', models.F('calls'))), name='call_rollup_times_no_more_than_its_calls'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ProviderHeartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('usage', 'Usage'), ('calls', 'Calls')], max_length=5)),
                ('provider', models.CharField(max_length=64)),
                ('at', models.DateTimeField()),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('source', 'provider'), name='one_heartbeat_per_source_and_provider'),
                    models.CheckConstraint(condition=models.Q(('source__in', ['usage', 'calls'])), name='heartbeat_source_is_known'),
                ],
                'indexes': [
                    models.Index(fields=['-at'], name='heartbeats_by_time'),
                ],
            },
        ),
        migrations.RunSQL(FIRST_AGENT, NO_FIRST_AGENT),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
