"""A workspace that is over: everything of it is handed over, who was behind it is forgotten."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from axes.models import AccessLog
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from djstripe.models import Event

from billing.models import AuditEntry, Email, Passkey, TaxNumberCheck, User, Workspace
from billing.services import account_news, erasure, workspace_export
from billing.services.members import set_member
from invoices.models import Invoice
from invoices.payments.models import ChargebackEvidence
from invoices.payments.services.call_disputes import (
    approve_dispute,
    open_dispute,
    withdraw_dispute,
)
from invoices.payments.services.chargebacks import evidence_for, note_chargeback
from tests.kit.personas import make_workspace
from tests.kit.walk import Walk
from usage.models import VoiceAgent

CALL = UUID("11111111-1111-4111-8111-111111111111")
# What names Acme's people, in whatever column.
NAMES = (
    "owner@acme.test",
    "books@acme.test",
    "Ada Lovelace",
    "1 Main Street",
    "DE136695976",
    "Certificate of Ada",
)


def begin(walk: Walk) -> UUID:
    """January 2028 of Acme is billed and paid; it is closed since."""
    walk.go_to("2028-01-03T09:00:00+01:00")
    acme = walk.workspace("Acme", billing_email="books@acme.test")
    walk.give_card(acme, "pm_card_visa")
    walk.agent(acme, "Ada Lovelace")
    workspace = Workspace.objects.get(pk=acme)
    workspace.billing_name, workspace.address_line1 = "Ada Lovelace", "1 Main Street"
    workspace.address_city, workspace.address_country = "Berlin", "DE"
    workspace.tax_id, workspace.tax_status = "DE136695976", "exempt"
    workspace.tax_exemption = "Certificate of Ada"
    workspace.save()
    TaxNumberCheck.objects.create(
        workspace=workspace,
        number="DE136695976",
        valid=True,
        checked_at=workspace.created_at,
        source="hand",
        reference="Ada Lovelace, by telephone",
        registered_name="Ada Lovelace",
        registered_address="1 Main Street",
        status="done",
        finished_at=workspace.created_at,
    )
    walk.go_to("2028-01-10T20:00:00+01:00")
    walk.use(
        {
            "workspace_id": str(acme),
            "resource_type": "call_minutes",
            "provider": "twilio",
            "quantity": "400",
            "unit_cost": "0.0125",
            "occurred_at": "2028-01-10T11:00:00+01:00",
            "call_id": str(CALL),
        }
    )
    walk.go_to("2028-02-02T00:05:00+01:00")
    AccessLog.objects.create(username="owner@acme.test", path_info="/login/")
    owner, now = User.objects.get(email="owner@acme.test"), workspace.created_at
    Passkey.objects.create(
        user=owner,
        name="Phone of Ada Lovelace",
        credential_id=b"1",
        public_key=b"2",
        host="localhost",
        created_at=now,
    )
    account_news.tell(owner, account_news.PASSKEY_ADDED, now=now, named="Phone of Ada Lovelace")
    complain(acme)
    return acme


@pytest.fixture
def walk(begun_walk: Walk) -> Walk:
    return begun_walk


def complain(acme: UUID) -> None:
    """Ada disputes a call with us and takes that back, and her payment with the bank."""
    invoice = Invoice.objects.get(workspace=acme)
    at = invoice.issued_at
    facts = {"workspace_id": acme, "opened_by": "owner@acme.test", "now": at}
    for text in ("Ada Lovelace was cut off", "1 Main Street was not heard"):
        dispute, _ = open_dispute(call_id=CALL, reason="dropped", text=text, **facts)
        if text.startswith("Ada"):
            withdraw_dispute(dispute_id=dispute.pk, by="owner@acme.test", now=at)
    approve_dispute(dispute_id=dispute.pk, by="fay@finance.test", amount=Decimal(1), now=at)
    chargeback = note_chargeback(
        invoice_id=invoice.pk,
        stripe_id="du_1",
        amount=invoice.amount,
        status="needs_response",
        reason="fraudulent",
        charge_id="ch_1",
        due_by=None,
        opened_at=at,
        now=at,
    )
    assert chargeback is not None
    said = evidence_for(chargeback)
    ChargebackEvidence.objects.create(
        chargeback=chargeback,
        evidence=said,
        params={"evidence": said},
        asked_by="fay@finance.test",
        status="done",
        finished_at=at,
    )


def close(workspace_id: UUID) -> None:
    Workspace.objects.filter(pk=workspace_id).update(status=Workspace.Status.CLOSED)


def everything_but_invoices() -> str:
    """All rows of all tables as text."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = model._meta.db_table
            if table != "invoices_invoice":
                cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
                found += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return "\n".join(found)


def test_who_was_behind_it_is_forgotten_and_its_books_stay_proved(
    walk: Walk, acme: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workspace("Globex")
    close(acme)
    assert all(name in everything_but_invoices() for name in NAMES)
    before = AuditEntry.objects.count()

    call_command("erase_workspace", str(acme))

    said = capsys.readouterr().out
    assert "1 people" in said
    assert "1 invoices keep their address until 2038-02" in said
    assert "Now delete customer cus_" in said
    left = [row for row in everything_but_invoices().splitlines() if any(n in row for n in NAMES)]
    assert left == []
    assert not User.objects.filter(email="owner@acme.test").exists()
    assert not Event.objects.filter(data__icontains="owner@acme.test").exists()
    # What happened is still there, and what happens to the log of it too.
    assert AuditEntry.objects.count() > before
    assert Invoice.objects.get(workspace=acme).bill_to_name == "Ada Lovelace"
    assert User.objects.filter(email="owner@globex.test").exists()

    call_command("check_ledger")
    call_command("verify_ledger")
    said = capsys.readouterr().out
    assert "everything agrees" in said
    assert "1 seals of 2 workspaces are as they were made" in said


def test_when_the_law_lets_go_invoices_lose_their_address_too(
    walk: Walk, acme: UUID, settings: Any
) -> None:
    close(acme)
    settings.INVOICE_KEEP_YEARS = 1
    call_command("erase_workspace", str(acme))
    assert Invoice.objects.get(workspace=acme).bill_to_name == "Ada Lovelace"

    walk._clock.move_to(dt.datetime(2029, 3, 1, tzinfo=dt.UTC), tick=False)
    call_command("erase_workspace", str(acme))
    invoice = Invoice.objects.get(workspace=acme)
    assert (invoice.bill_to_name, invoice.bill_to_email) == ("erased", "")
    assert str(invoice.amount) == "55.000"


def test_a_workspace_that_is_not_over_is_not_erased(walk: Walk, acme: UUID) -> None:
    with pytest.raises(CommandError, match="Acme is active: close it first"):
        call_command("erase_workspace", str(acme))
    close(acme)
    paid_at = Invoice.objects.get(workspace=acme).paid_at
    for unpaid in ("draft", "open", "partly_paid", "overdue"):
        Invoice.objects.filter(workspace=acme).update(status=unpaid, paid_at=None)
        with pytest.raises(CommandError, match="not paid, void or written off: INV-2028-000001"):
            call_command("erase_workspace", str(acme))
    Invoice.objects.filter(workspace=acme).update(status="paid", paid_at=paid_at)
    with pytest.raises(CommandError, match="There is no workspace"):
        call_command("erase_workspace", "00000000-0000-0000-0000-000000000000")
    assert VoiceAgent.objects.get().name == "Ada Lovelace"


def test_who_is_in_another_workspace_stays(walk: Walk, acme: UUID) -> None:
    globex = make_workspace("Globex")
    set_member(workspace=globex, email="owner@acme.test", role="viewer")
    close(acme)
    call_command("erase_workspace", str(acme))
    assert list(User.objects.get(email="owner@acme.test").workspaces.all()) == [globex]


def test_everything_of_it_and_of_nobody_else_is_exported(
    walk: Walk, acme: UUID, tmp_path: Path
) -> None:
    globex = make_workspace("Globex")
    call_command("export_workspace", str(acme), str(tmp_path / "acme"))

    rows = {
        file.name: [json.loads(line) for line in file.read_text().splitlines()]
        for file in (tmp_path / "acme").iterdir()
    }
    (record,) = rows["usage_usagerecord.ndjson"]
    assert (record["quantity"], record["final_cost"]) == ("400.000000", "6.0000000000")
    assert [each["email"] for each in rows["billing_user.ndjson"]] == ["owner@acme.test"]
    assert len(rows["invoices_invoiceitem.ndjson"]) == 2
    assert rows["billing_auditentry.ndjson"]
    assert "password" not in rows["billing_user.ndjson"][0]
    assert str(globex.pk) not in json.dumps(rows)


def test_what_belongs_to_a_workspace_is_found_by_itself() -> None:
    found = {model._meta.label for model, _ in workspace_export.models_of_workspaces()}
    assert {
        "billing.Workspace",
        "billing.PeriodCounter",
        "invoices.InvoiceEvent",
        "payments.StripeCustomer",
        "usage.PeriodSeal",
    } <= found


@pytest.mark.django_db
def test_the_log_of_changes_gives_up_names_and_nothing_else() -> None:
    make_workspace()
    entry = AuditEntry.objects.first()
    assert entry is not None
    for change in ({"channel": "page"}, {"operation": "delete"}, {"object_id": "1"}):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('billing.erasing', 'on', true)")
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                AuditEntry.objects.filter(pk=entry.pk).update(**change)
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                AuditEntry.objects.filter(pk=entry.pk).delete()
            cursor.execute("SELECT set_config('billing.erasing', 'off', true)")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(actor="nobody")


@pytest.mark.django_db
def test_old_mails_are_emptied_and_never_sent_again() -> None:
    now = dt.datetime(2028, 1, 1, tzinfo=dt.UTC)

    def mail(key: str, days: int, status: str = "done") -> Email:
        at = now - dt.timedelta(days=days)
        return Email.objects.create(
            key=key,
            kind="test",
            recipients=["ada@acme.test"],
            subject="Invoice",
            text="Dear Ada",
            status=status,
            finished_at=None if status == "waiting" else at,
        )

    old, fresh, waiting = mail("old", 401), mail("new", 399), mail("waiting", 500, "waiting")

    assert erasure.empty_old_emails(now=now) == 1
    assert erasure.empty_old_emails(now=now) == 0
    old.refresh_from_db()
    assert (old.key, old.recipients, old.text) == ("old", [], "")
    for kept in (fresh, waiting):
        kept.refresh_from_db()
        assert kept.text == "Dear Ada"
