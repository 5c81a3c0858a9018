"""Invitations into a workspace, and keys that owners make; both are in the audit log."""

import billing.models.fields
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


AUDIT = """
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON billing_invitation
    FOR EACH ROW EXECUTE FUNCTION billing_audit('workspace_id', 'id', 'mail_due_at', '');
"""
UNDO = "DROP TRIGGER changes_are_audited ON billing_invitation;"


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0014_fees_are_fixed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('email', billing.models.fields.EmailAddressField(help_text='As two spellings of it are compared.', max_length=254)),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('viewer', 'Viewer')], max_length=16)),
                ('generation', models.PositiveSmallIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('mail_due_at', models.DateTimeField(help_text='Empty: the mail is sent.', null=True)),
                ('accepted_at', models.DateTimeField(null=True)),
                ('cancelled_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.AddField(
            model_name='servicekey',
            name='by_owner',
            field=models.BooleanField(default=False, editable=False, help_text='Made by an owner of its workspace, for it.'),
        ),
        migrations.AddConstraint(
            model_name='servicekey',
            constraint=models.CheckConstraint(condition=models.Q(('by_owner', False), models.Q(('scopes__contained_by', ['usage:read', 'billing:read']), ('workspace__isnull', False)), _connector='OR'), name='keys_of_owners_read_their_workspace'),
        ),
        migrations.AddField(
            model_name='invitation',
            name='invited_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='invitation',
            name='workspace',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='billing.workspace'),
        ),
        migrations.AddIndex(
            model_name='invitation',
            index=models.Index(condition=models.Q(('mail_due_at__isnull', False)), fields=['mail_due_at'], name='invitations_to_mail'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('cancelled_at', None)), fields=('workspace', 'email'), name='one_open_invitation_per_address'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'admin', 'viewer'])), name='invited_role_is_known'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(('accepted_at', None), ('cancelled_at', None), _connector='OR'), name='invitation_is_accepted_or_cancelled'),
        ),
        migrations.RunSQL(AUDIT, UNDO),
    ]
