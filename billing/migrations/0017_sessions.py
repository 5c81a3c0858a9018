"""Sessions with their people, and second factors in the audit log."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


_IGNORED = (
    "last_t drift throttling_failure_count throttling_failure_timestamp last_used_at created_at"
)
AUDIT = f"""
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON otp_totp_totpdevice
    FOR EACH ROW EXECUTE FUNCTION billing_audit('', 'user_id', '{_IGNORED}', 'key');
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON otp_static_staticdevice
    FOR EACH ROW EXECUTE FUNCTION billing_audit('', 'user_id', '{_IGNORED}', '');
"""
UNDO = """
DROP TRIGGER changes_are_audited ON otp_totp_totpdevice;
DROP TRIGGER changes_are_audited ON otp_static_staticdevice;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0016_meters'),
        ('otp_static', '0003_add_timestamps'),
        ('otp_totp', '0003_add_timestamps'),
    ]

    operations = [
        migrations.CreateModel(
            name='Session',
            fields=[
                ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                ('signed_in_at', models.DateTimeField(null=True)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('browser', models.CharField(blank=True, max_length=200)),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
                'abstract': False,
            },
        ),
        migrations.RunSQL(AUDIT, UNDO),
    ]
