"""Records of months that two people have closed."""

import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from django.db import migrations, models

# A record is frozen as it is signed; what may follow is that somebody confirms it, once.
FROZEN = """
CREATE FUNCTION payments_month_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.confirmed_at IS NULL AND NEW.confirmed_at IS NOT NULL
        AND (to_jsonb(NEW) - '{confirmed_at,confirmed_by}'::text[])
            = (to_jsonb(OLD) - '{confirmed_at,confirmed_by}'::text[]) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER month_records_are_frozen BEFORE UPDATE OR DELETE ON payments_monthrecord
    FOR EACH ROW EXECUTE FUNCTION payments_month_is_frozen();
"""
NOT_FROZEN = """
DROP TRIGGER month_records_are_frozen ON payments_monthrecord;
DROP FUNCTION payments_month_is_frozen();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0007_payments_in_the_log'),
    ]

    operations = [
        migrations.CreateModel(
            name='MonthRecord',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('month', models.DateField(help_text='Its first day.')),
                ('snapshot', models.JSONField()),
                ('digest', models.CharField(max_length=64)),
                ('is_complete', models.BooleanField(help_text='Every step was done.')),
                ('reason', models.CharField(blank=True, help_text='Why it is closed with steps that are not done.', max_length=500)),
                ('signed_by', models.CharField(max_length=254)),
                ('signed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('confirmed_by', models.CharField(blank=True, max_length=254)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-month', '-signed_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('month__day', 1), models.Q(('signed_by', ''), _negated=True), models.Q(('digest', ''), _negated=True)), name='a_month_record_says_who_signed_what'), models.CheckConstraint(condition=models.Q(('is_complete', True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='a_month_closed_with_open_steps_says_why'), models.CheckConstraint(condition=models.Q(models.Q(('confirmed_at__isnull', True), ('confirmed_by', '')), models.Q(models.Q(('confirmed_by', ''), _negated=True), ('confirmed_at__isnull', False)), _connector='OR'), name='a_confirmed_month_has_its_second_person'), models.CheckConstraint(condition=models.Q(('confirmed_by__iexact', models.F('signed_by')), _negated=True), name='a_month_is_closed_by_two_people'), models.UniqueConstraint(condition=models.Q(('confirmed_at__isnull', False)), fields=('month',), name='one_confirmed_record_per_month')],
            },
        ),
        migrations.RunSQL(FROZEN, NOT_FROZEN),
        audited("payments_monthrecord", workspace="", ignored="snapshot"),
    ]
