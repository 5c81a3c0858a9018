"""Taking what names people out of a workspace's rows; the rows, and their amounts, stay."""

import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import UUID

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from billing.models import (
    AuditEntry,
    DurableWork,
    Email,
    Invitation,
    ServiceKey,
    TaxNumberCheck,
    User,
    Workspace,
    WorkspaceMember,
)
from billing.models.emails import EmailAttachment

ERASED = "erased"
# Reserved: no mail reaches it.
_NOWHERE = "erased@erased.invalid"
_ADDRESS = ("address_line1", "address_line2", "address_city", "address_state")
# Columns whose values name somebody, in the audit log's changes.
_NAMING = {
    "name",
    "email",
    "billing_email",
    "billing_name",
    "tax_id",
    "tax_exemption",
    "buyer_reference",
    "order_number",
    "custom_fields",
    "electronic_address",
    "registered_name",
    "registered_address",
    "address_postal_code",
    "address_country",
    "bill_to_name",
    "bill_to_email",
    "bill_to_address",
    "bill_to_tax_id",
    *_ADDRESS,
}
# Those that do so in one table alone; elsewhere they are names of things.
_NAMING_IN = {
    "billing_taxnumbercheck": {"number", "reference"},
    "payments_calldispute": {"text", "opened_by", "decided_by", "facts"},
}
# Tables whose rows are a person's, as the log names them.
_OF_PEOPLE = ("billing_user", "billing_passkey", "otp_totp_totpdevice", "otp_static_staticdevice")


def erase_people(workspace: Workspace, *, now: dt.datetime) -> list[tuple[int, str]]:
    """Its members leave; who is in no other workspace and not staff is deleted: ids, addresses."""
    gone = list(
        User.objects.filter(memberships__workspace=workspace, is_staff=False, is_superuser=False)
        .exclude(pk__in=_members_elsewhere(workspace))
        .values_list("pk", "email")
    )
    workspace.memberships.all().delete()
    Invitation.objects.filter(workspace=workspace).delete()
    addresses = [email for _, email in gone]
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        model.objects.filter(username__in=addresses).delete()
    User.objects.filter(pk__in=[pk for pk, _ in gone]).delete()
    keys = ServiceKey.objects.filter(workspace=workspace)
    keys.filter(revoked_at=None).update(revoked_at=now)
    keys.update(name=ERASED)
    return gone


def erase_details(workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(
        name=f"Erased {str(workspace.pk)[:8]}",
        billing_email=_NOWHERE,
        billing_name="",
        address_postal_code="",
        address_country="",
        tax_id="",
        e_invoice_format=Workspace.EInvoiceFormat.NONE,
        buyer_reference="",
        order_number="",
        custom_fields={},
        electronic_address="",
        electronic_address_scheme="",
        created_from="",
        **dict.fromkeys(_ADDRESS, ""),
    )
    # Who is exempt has a reason.
    Workspace.objects.filter(pk=workspace.pk).exclude(tax_exemption="").update(tax_exemption=ERASED)
    TaxNumberCheck.objects.filter(pk=workspace.pk).delete()


def emails_of(workspace: Workspace, people: Collection[tuple[int, str]]) -> QuerySet[Email]:
    """About the workspace, and about the accounts of who was deleted with it."""
    about = Q(workspace=workspace)
    for _, address in people:
        about |= Q(workspace=None, recipients=[address])
    return Email.objects.filter(about)


def empty_emails(emails: QuerySet[Email]) -> int:
    """Their texts and recipients go. The row stays: by its key nothing is mailed twice."""
    EmailAttachment.objects.filter(email__in=emails).delete()
    return emails.update(
        recipients=[], subject=ERASED, text="", html="", unsubscribe_url="", last_error=""
    )


def empty_old_emails(*, now: dt.datetime) -> int:
    """Of mails that were sent or given up long ago."""
    old = now - dt.timedelta(days=settings.EMAIL_KEEP_DAYS)
    ended = Email.objects.filter(~DurableWork.UNFINISHED, finished_at__lt=old)
    return empty_emails(ended.exclude(subject=ERASED))


def erase_from_audit_log(
    workspace_id: UUID, people: Collection[tuple[int, str]], agents: Collection[UUID]
) -> int:
    """What changed, when and through which channel stays; who is named there does not.

    Inside a transaction, and last in it: erasing leaves entries too.
    """
    addresses = {email for _, email in people}
    theirs = Q(table__in=_OF_PEOPLE, object_id__in=[str(pk) for pk, _ in people])
    about = AuditEntry.objects.filter(
        Q(workspace_id=workspace_id)
        | theirs
        | Q(actor__in=addresses)
        | Q(subject__in=addresses)
        | Q(object_id__in=[str(each) for each in agents])
    )
    entries = list(about)
    with connection.cursor() as cursor:
        # The log's trigger lets names be taken out in this transaction, and nothing else.
        cursor.execute("SELECT set_config('billing.erasing', 'on', true)")
    for entry in entries:
        naming = _NAMING | _NAMING_IN.get(entry.table, set())
        entry.changes = {
            column: _without_names(change) if column in naming else change
            for column, change in entry.changes.items()
        }
        entry.subject = ERASED if entry.subject else ""
        entry.reason = ERASED if entry.reason else ""
        if entry.actor in addresses:
            entry.actor = ERASED
    AuditEntry.objects.bulk_update(entries, ["changes", "subject", "reason", "actor"], 500)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('billing.erasing', 'off', true)")
    return len(entries)


def _without_names(change: list[str | None]) -> list[str | None]:
    return [ERASED if value else value for value in change]


def _members_elsewhere(workspace: Workspace) -> QuerySet[Any]:
    others = WorkspaceMember.objects.exclude(workspace=workspace)
    return others.values("user")
