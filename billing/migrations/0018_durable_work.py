"""E-mails become durable work, as everything that waits."""

from django.db import migrations, models

STATUSES = """
UPDATE billing_email SET
    status = CASE status WHEN 'queued' THEN 'waiting' WHEN 'sent' THEN 'done' ELSE 'blocked' END,
    blocked_reason = CASE status WHEN 'failed' THEN 'exhausted' ELSE '' END,
    finished_at = CASE status WHEN 'sent' THEN coalesce(finished_at, requested_at) END;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_sessions")]

    operations = [
        migrations.RemoveIndex("email", "emails_to_deliver"),
        migrations.AlterModelOptions(
            "email", {"ordering": ["-requested_at"], "verbose_name": "e-mail"}
        ),
        migrations.RenameField("email", "created_at", "requested_at"),
        migrations.RenameField("email", "next_try_at", "next_attempt_at"),
        migrations.RenameField("email", "sent_at", "finished_at"),
        migrations.AddField(
            model_name='email',
            name='blocked_reason',
            field=models.CharField(blank=True, choices=[('refused', 'Refused'), ('exhausted', 'Tried in vain for too long'), ('mismatch', 'The total differs'), ('changed', 'Changed by somebody else')], max_length=16),
        ),
        migrations.AddField(
            model_name='email',
            name='lease_expires_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='email',
            name='lease_token',
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='email',
            name='queued_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='email',
            name='attempts',
            field=models.PositiveIntegerField(default=0, help_text='Tries since it last worked, the present one with them.'),
        ),
        migrations.AlterField(
            model_name='email',
            name='status',
            field=models.CharField(choices=[('waiting', 'Waiting'), ('blocked', 'Blocked'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8),
        ),
        migrations.RunSQL(STATUSES, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='email',
            index=models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='email_unfinished'),
        ),
        migrations.AddConstraint(
            model_name='email',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='email_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='email',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='email_is_blocked_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='email',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='email_has_an_end_when_finished'),
        ),
        migrations.AddConstraint(
            model_name='email',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='email_lease_is_whole'),
        ),
    ]
