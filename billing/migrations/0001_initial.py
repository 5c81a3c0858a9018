"""People, workspaces, tiers, keys, and mail."""

import billing.models.fields
import billing.models.people
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='SubscriptionTier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.SlugField(max_length=40, unique=True)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('interval', models.CharField(choices=[('month', 'Month'), ('year', 'Year')], default='month', help_text='What the fee is for. A year is charged in the month in which it begins. It stays as it is once a workspace is on the tier.', max_length=8)),
                ('proration', models.CharField(choices=[('none', 'None'), ('daily', 'Daily')], default='none', help_text="Of a monthly fee, when a workspace begins or changes its tier inside a month. None: the whole fee where the tier holds at the month's end. Daily: for its days.", max_length=8)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('interval__in', ['month', 'year'])), name='tier_interval_is_known'),
                    models.CheckConstraint(condition=models.Q(('proration__in', ['none', 'daily'])), name='tier_proration_is_known'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TierPrice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tier', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='prices', to='billing.subscriptiontier')),
                ('currency', models.CharField(max_length=3)),
                ('fee', models.DecimalField(decimal_places=3, max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
            ],
            options={
                'ordering': ['tier', 'currency'],
                'constraints': [
                    models.UniqueConstraint(fields=('tier', 'currency'), name='one_price_per_tier_and_currency'),
                    models.CheckConstraint(condition=models.Q(('fee__gte', 0)), name='tier_fee_not_negative'),
                    models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='tier_currency_is_iso'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PlatformSetting',
            fields=[
                ('name', models.CharField(choices=[('pricing_markup_percentage', 'Pricing markup, percent'), ('owners_see_cost', 'What owners see')], max_length=64, primary_key=True, serialize=False)),
                ('value', models.DecimalField(decimal_places=4, max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('name', 'pricing_markup_percentage'), models.Q(('name', 'owners_see_cost'), ('value__in', [0, 1])), _connector='OR'), name='platform_setting_is_known'),
                    models.CheckConstraint(condition=models.Q(('value__gte', 0)), name='platform_setting_not_negative'),
                ],
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('email', billing.models.fields.EmailAddressField(max_length=254, verbose_name='e-mail')),
                ('name', billing.models.fields.LineField(blank=True, max_length=150)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='one_user_per_email'),
                ],
            },
            managers=[
                ('objects', billing.models.people.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='OwedPasswordLink',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='owed_link', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('due_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
                ('signed_in_at', models.DateTimeField(null=True)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('browser', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'abstract': False,
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
            },
        ),
        migrations.CreateModel(
            name='Workspace',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ('name', billing.models.fields.LineField(max_length=200)),
                ('status', models.CharField(choices=[('active', 'Active'), ('suspended', 'Suspended'), ('closed', 'Closed')], default='active', max_length=16)),
                ('suspension_reason', models.CharField(blank=True, choices=[('payment', 'Payment'), ('manual', 'Manual')], help_text='Payment: lifted by itself when everything is paid. Manual: lifted by staff.', max_length=16)),
                ('tier', models.ForeignKey(help_text='For periods opened from now on.', on_delete=django.db.models.deletion.PROTECT, to='billing.subscriptiontier')),
                ('currency', models.CharField(max_length=3)),
                ('timezone', models.CharField(max_length=64)),
                ('billing_email', billing.models.fields.EmailAddressField(max_length=254)),
                ('billing_name', billing.models.fields.LineField(blank=True, help_text='Default: the name.', max_length=200)),
                ('address_line1', billing.models.fields.LineField(blank=True, max_length=200)),
                ('address_line2', billing.models.fields.LineField(blank=True, max_length=200)),
                ('address_city', billing.models.fields.LineField(blank=True, max_length=100)),
                ('address_state', billing.models.fields.LineField(blank=True, max_length=100)),
                ('address_postal_code', billing.models.fields.LineField(blank=True, max_length=20)),
                ('address_country', models.CharField(blank=True, help_text='ISO 3166, as DE.', max_length=2)),
                ('tax_id', billing.models.fields.LineField(blank=True, max_length=40)),
                ('tax_status', models.CharField(choices=[('business', 'Business'), ('consumer', 'Consumer'), ('exempt', 'Exempt from tax')], db_default='business', default='business', help_text='What it is to the tax office. A business abroad needs a valid VAT number to be billed without tax.', max_length=12)),
                ('tax_exemption', billing.models.fields.LineField(blank=True, db_default='', help_text='Why it is exempt from tax, as invoices say it: the certificate, the article.', max_length=200)),
                ('created_from', models.CharField(blank=True, editable=False, max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['name', 'id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['active', 'suspended', 'closed'])), name='workspace_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('status', 'suspended'), ('suspension_reason__in', ['payment', 'manual'])), models.Q(models.Q(('status', 'suspended'), _negated=True), ('suspension_reason', '')), _connector='OR'), name='only_a_suspended_workspace_has_a_reason'),
                    models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='workspace_currency_is_iso'),
                    models.CheckConstraint(condition=models.Q(('address_country', ''), ('address_country__regex', '^[A-Z]{2}$'), _connector='OR'), name='workspace_country_is_iso'),
                    models.CheckConstraint(condition=models.Q(models.Q(('tax_status', 'exempt'), models.Q(('tax_exemption', ''), _negated=True)), models.Q(('tax_exemption', ''), ('tax_status__in', ['business', 'consumer'])), _connector='OR'), name='only_an_exempt_workspace_says_why'),
                ],
            },
        ),
        migrations.CreateModel(
            name='WorkspaceMember',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='billing.workspace')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('viewer', 'Viewer')], default='viewer', max_length=16)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('workspace', 'user'), name='one_membership_per_workspace_and_user'),
                    models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'admin', 'viewer'])), name='member_role_is_known'),
                ],
            },
        ),
        migrations.AddField(
            model_name='workspace',
            name='members',
            field=models.ManyToManyField(related_name='workspaces', through='billing.WorkspaceMember', to=settings.AUTH_USER_MODEL),
        ),
        migrations.CreateModel(
            name='WorkspaceBillingSettings',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='billing_settings', serialize=False, to='billing.workspace')),
                ('usage_limit_monthly', models.DecimalField(blank=True, decimal_places=4, help_text="Spend on usage in one period, in the workspace's currency. Empty: no limit.", max_digits=18, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('alert_threshold_percentage', models.DecimalField(decimal_places=4, default=Decimal('80'), max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0.0001')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('auto_pause_on_limit', models.BooleanField(default=True)),
                ('markup_percentage', models.DecimalField(blank=True, decimal_places=4, help_text="Empty: the platform's markup.", max_digits=7, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('collection_method', models.CharField(choices=[('charge_automatically', 'Charge automatically'), ('send_invoice', 'Send invoice')], default='charge_automatically', max_length=24)),
                ('payment_terms_days', models.PositiveSmallIntegerField(default=14, validators=[django.core.validators.MaxValueValidator(365)])),
                ('prices_include_tax', models.BooleanField(db_default=False, default=False, help_text='Whether its prices have the tax in them, where one is charged; otherwise it is added to them. Limits and all amounts of usage are at its prices.')),
                ('owners_see', models.CharField(blank=True, choices=[('price', 'Price'), ('price_and_cost', 'Price and cost')], default='', help_text='Of usage: its price, or what providers charge for it and the markup too. Empty: as the platform says.', max_length=16)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'workspace billing settings',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('owners_see__in', ['', 'price', 'price_and_cost'])), name='owners_see_is_known'),
                    models.CheckConstraint(condition=models.Q(('usage_limit_monthly__isnull', True), ('usage_limit_monthly__gte', 0), _connector='OR'), name='usage_limit_not_negative'),
                    models.CheckConstraint(condition=models.Q(('alert_threshold_percentage__gt', 0), ('alert_threshold_percentage__lte', 100)), name='alert_threshold_is_a_percentage'),
                    models.CheckConstraint(condition=models.Q(('markup_percentage__isnull', True), ('markup_percentage__gte', 0), _connector='OR'), name='markup_not_negative'),
                    models.CheckConstraint(condition=models.Q(('collection_method__in', ['charge_automatically', 'send_invoice'])), name='collection_method_is_known'),
                    models.CheckConstraint(condition=models.Q(('payment_terms_days__lte', 365)), name='payment_terms_within_a_year'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ServiceKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', billing.models.fields.LineField(max_length=100)),
                ('prefix', models.CharField(editable=False, max_length=16, unique=True)),
                ('digest', models.BinaryField(max_length=32)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('usage:write', 'usage:write'), ('usage:read', 'usage:read'), ('billing:read', 'billing:read'), ('billing:write', 'billing:write'), ('workspaces:write', 'workspaces:write'), ('terms:write', 'terms:write'), ('prices:write', 'prices:write'), ('audit:read', 'audit:read')], max_length=32), size=None)),
                ('workspace', models.ForeignKey(blank=True, help_text='Empty: every workspace.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='service_keys', to='billing.workspace')),
                ('by_owner', models.BooleanField(default=False, editable=False, help_text='Made by an owner of its workspace, for it.')),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-created_at'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['usage:write', 'usage:read', 'billing:read', 'billing:write', 'workspaces:write', 'terms:write', 'prices:write', 'audit:read'])), name='service_key_scopes_are_known'),
                    models.CheckConstraint(condition=models.Q(('by_owner', False), models.Q(('scopes__contained_by', ['usage:read', 'billing:read']), ('workspace__isnull', False)), _connector='OR'), name='keys_of_owners_read_their_workspace'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='billing.workspace')),
                ('email', billing.models.fields.EmailAddressField(help_text='As two spellings of it are compared.', max_length=254)),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('viewer', 'Viewer')], max_length=16)),
                ('invited_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('generation', models.PositiveSmallIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('mail_due_at', models.DateTimeField(help_text='Empty: the mail is sent.', null=True)),
                ('accepted_at', models.DateTimeField(null=True)),
                ('cancelled_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['created_at', 'id'],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('cancelled_at', None)), fields=('workspace', 'email'), name='one_open_invitation_per_address'),
                    models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'admin', 'viewer'])), name='invited_role_is_known'),
                    models.CheckConstraint(condition=models.Q(('accepted_at', None), ('cancelled_at', None), _connector='OR'), name='invitation_is_accepted_or_cancelled'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('mail_due_at__isnull', False)), fields=['mail_due_at'], name='invitations_to_mail'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Email',
            fields=[
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('blocked', 'Blocked'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('blocked_reason', models.CharField(blank=True, choices=[('refused', 'Refused'), ('exhausted', 'Tried in vain for too long'), ('mismatch', 'The total differs'), ('changed', 'Changed by somebody else')], max_length=16)),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Tries since it last worked, the present one with them.')),
                ('last_error', models.TextField(blank=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('queued_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('lease_expires_at', models.DateTimeField(blank=True, null=True)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=200, unique=True)),
                ('kind', models.CharField(db_index=True, max_length=40)),
                ('workspace', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='emails', to='billing.workspace')),
                ('recipients', models.JSONField(help_text='A list of addresses.')),
                ('subject', models.CharField(max_length=200)),
                ('text', models.TextField()),
                ('html', models.TextField(blank=True)),
            ],
            options={
                'abstract': False,
                'ordering': ['-requested_at'],
                'verbose_name': 'e-mail',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='email_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='email_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='email_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='email_lease_is_whole'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='email_unfinished'),
                ],
            },
        ),
        migrations.CreateModel(
            name='EmailAttachment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attachments', to='billing.email')),
                ('filename', models.CharField(max_length=100)),
                ('media_type', models.CharField(max_length=100)),
                ('content', models.BinaryField()),
            ],
        ),
    ]
