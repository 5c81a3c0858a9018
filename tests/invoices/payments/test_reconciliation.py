"""Stripe and we say the same, or finance learns in what we differ and mends it by one click."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone as clock
from pytest_django import Settings

from billing.models import Email, User, Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice, InvoiceItem
from invoices.payments.models import Difference, ReconciliationRun
from invoices.payments.services import settle, stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.reconciliation import (
    NoLongerSo,
    NoRemedy,
    apply_remedy,
    reconcile,
)
from invoices.payments.services.stripe_errors import StripeUnavailable
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> dt.datetime:
    """The sandbox makes invoices by the clock on the wall."""
    return clock.now()


@pytest.fixture
def acme(stripe_sandbox: SandboxProcess, now: dt.datetime) -> Workspace:
    """With a card that pays."""
    workspace = make_workspace("Acme")
    give_card(ensure_customer(workspace_id=workspace.pk, account=DEFAULT, now=now))
    return workspace


def synced(workspace: Workspace, now: dt.datetime, *, month: int = 10, **facts: str) -> Invoice:
    invoice = make_invoice(workspace, month=month, status="draft", issued_at=now, **facts)
    result = sync_invoice(invoice_id=invoice.pk, now=now)
    assert result.done, result.detail
    return Invoice.objects.get(pk=invoice.pk)


def sent(workspace: Workspace, now: dt.datetime, *, month: int = 10) -> Invoice:
    return synced(workspace, now, month=month, collection_method="send_invoice")


def found(differences: list[Difference]) -> list[tuple[str, str, str, str]]:
    return [
        (difference.kind, difference.ours, difference.theirs, difference.remedy)
        for difference in differences
    ]


def test_what_agrees_gives_no_difference(acme: Workspace, now: dt.datetime) -> None:
    synced(acme, now, month=9)
    sent(acme, now, month=10)
    assert reconcile(now=now) == []
    run = ReconciliationRun.objects.get()
    assert (run.checked, run.error) == (2, "")
    assert run.finished_at is not None


def test_a_payment_whose_webhook_was_lost_is_taken_over(acme: Workspace, now: dt.datetime) -> None:
    invoice = sent(acme, now)
    stripe_client.post(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}/pay")
    assert reconcile(now=now) == []
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    healed = Difference.objects.get()
    assert (healed.kind, healed.ours, healed.theirs) == ("status", "open", "paid")
    assert (healed.resolved_by, ReconciliationRun.objects.get().healed) == ("reconciliation", 1)
    assert invoice.payment_entries.get(kind="payment").amount == invoice.amount


def test_a_failure_whose_webhook_was_lost_suspends_after_all(
    stripe_sandbox: SandboxProcess, now: dt.datetime
) -> None:
    globex = make_workspace("Globex")
    give_card(
        ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=now),
        "pm_card_chargeCustomerFail",
    )
    invoice = synced(globex, now)
    assert reconcile(now=now) == []
    invoice.refresh_from_db()
    globex.refresh_from_db()
    assert (invoice.status, globex.status) == ("overdue", "suspended")


def test_a_refund_whose_webhook_was_lost_shows_after_all(acme: Workspace, now: dt.datetime) -> None:
    invoice = synced(acme, now)
    reconcile(now=now)
    payment = invoice.payment_entries.get(kind="payment")
    stripe_client.post(
        DEFAULT, "/v1/refunds", {"payment_intent": payment.payment_intent_id, "amount": 1000}
    )
    reconcile(now=now)
    invoice.refresh_from_db()
    assert str(invoice.amount_refunded) == "10.000"


def test_an_invoice_voided_in_stripe_is_void_here(acme: Workspace, now: dt.datetime) -> None:
    invoice = sent(acme, now)
    stripe_client.post(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}/void")
    assert reconcile(now=now) == []
    invoice.refresh_from_db()
    assert invoice.status == "void"


def test_one_that_is_void_here_and_open_there_is_voided_by_one_click(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    settle.mark_void(invoice_id=invoice.pk, now=now)
    (difference,) = reconcile(now=now)
    assert found([difference]) == [("status", "void", "open", "void_in_stripe")]
    fiona = User.objects.create_user("fiona@platform.test")
    apply_remedy(difference_id=difference.pk, actor=fiona, now=now)
    apply_remedy(difference_id=difference.pk, actor=fiona, now=now)
    assert (
        stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")["status"] == "void"
    )
    difference.refresh_from_db()
    assert difference.resolved_by == "fiona@platform.test"
    assert reconcile(now=now) == []


def test_what_was_paid_in_stripe_since_is_not_voided_there(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    settle.mark_void(invoice_id=invoice.pk, now=now)
    (difference,) = reconcile(now=now)
    path = f"/v1/invoices/{invoice.stripe_invoice_id}"
    stripe_client.post(DEFAULT, f"{path}/pay", {"paid_out_of_band": True})
    with pytest.raises(NoLongerSo, match="is paid in Stripe by now") as refused:
        apply_remedy(difference_id=difference.pk, actor=None, now=now)
    assert (refused.value.code, refused.value.status) == ("no_longer_so", 409)
    difference.refresh_from_db()
    assert difference.resolved_at is None


def test_an_invoice_that_turned_out_to_be_ours_is_not_voided(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    run = ReconciliationRun.objects.create(started_at=now, days=35)
    # As it was found while our invoice was tied to another one.
    difference = Difference.objects.create(
        run=run,
        invoice=invoice,
        stripe_invoice_id=invoice.stripe_invoice_id,
        kind="unknown_here",
        remedy="void_in_stripe",
    )
    with pytest.raises(NoLongerSo, match="and is open here"):
        apply_remedy(difference_id=difference.pk, actor=None, now=now)
    found_there = stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")
    assert found_there["status"] == "open"


def test_an_invoice_that_is_in_stripe_by_now_is_not_sent_again(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    run = ReconciliationRun.objects.create(started_at=now, days=35)
    difference = Difference.objects.create(
        run=run, invoice=invoice, kind="missing_in_stripe", remedy="sync"
    )
    with pytest.raises(NoLongerSo, match="no longer to be sent"):
        apply_remedy(difference_id=difference.pk, actor=None, now=now)


def test_a_status_is_not_taken_over_from_an_invoice_that_is_gone(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    run = ReconciliationRun.objects.create(started_at=now, days=35)
    difference = Difference.objects.create(
        run=run, invoice=invoice, stripe_invoice_id="in_gone", kind="payments", remedy="settle"
    )
    with pytest.raises(NoLongerSo, match="no in_gone of ours"):
        apply_remedy(difference_id=difference.pk, actor=None, now=now)
    difference.refresh_from_db()
    assert difference.resolved_at is None


def test_another_total_and_another_line_are_named_and_mailed(
    acme: Workspace, now: dt.datetime, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    invoice = sent(acme, now)
    # Somebody with access to the database changed an issued invoice.
    Invoice.objects.filter(pk=invoice.pk).update(amount="62.34", net="62.34")
    InvoiceItem.objects.filter(invoice=invoice, position=2).update(amount="13.34")
    differences = reconcile(now=now)
    assert found(differences) == [
        ("items", "1334", "1234", ""),
        ("total", "6234", "6134", ""),
    ]
    mail = Email.objects.get(kind="finance")
    assert mail.subject == "2 differences between Stripe and us"
    assert f"{invoice.number}: total is 6234, in Stripe 6134." in mail.text
    with pytest.raises(NoRemedy):
        apply_remedy(difference_id=differences[0].pk, actor=None, now=now)


def test_a_second_invoice_for_the_same_bill_is_found(acme: Workspace, now: dt.datetime) -> None:
    invoice = sent(acme, now)
    theirs = stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")
    twin = stripe_client.post(
        DEFAULT,
        "/v1/invoices",
        {
            "customer": theirs["customer"],
            "collection_method": "send_invoice",
            "days_until_due": 14,
            "metadata": {"invoice_id": str(invoice.pk)},
        },
    )
    stripe_client.post(
        DEFAULT,
        "/v1/invoiceitems",
        {
            "customer": theirs["customer"],
            "invoice": twin["id"],
            "amount": 6134,
            "currency": "usd",
        },
    )
    stripe_client.post(DEFAULT, f"/v1/invoices/{twin['id']}/finalize")
    (difference,) = reconcile(now=now)
    assert (difference.kind, difference.remedy) == ("unknown_here", "void_in_stripe")
    apply_remedy(difference_id=difference.pk, actor=None, now=now)
    assert stripe_client.get(DEFAULT, f"/v1/invoices/{twin['id']}")["status"] == "void"
    assert reconcile(now=now) == []


def test_an_invoice_that_never_reached_stripe_is_named(acme: Workspace, now: dt.datetime) -> None:
    make_invoice(acme, status="draft", issued_at=now - dt.timedelta(hours=2))
    make_invoice(acme, month=9, status="draft", issued_at=now)
    (difference,) = reconcile(now=now)
    assert found([difference]) == [("missing_in_stripe", "draft", "not sent", "sync")]


def test_an_invoice_that_stripe_does_not_know_is_named(acme: Workspace, now: dt.datetime) -> None:
    make_invoice(acme, stripe_invoice_id="in_gone", issued_at=now)
    (difference,) = reconcile(now=now)
    assert found([difference]) == [("missing_in_stripe", "open", "nothing", "")]


def test_an_old_unpaid_invoice_is_compared_for_as_long_as_it_is_owed(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    Invoice.objects.update(issued_at=now - dt.timedelta(days=200))
    stripe_client.post(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}/pay")
    reconcile(now=now, days=1)
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_what_is_mended_leaves_the_list_with_the_next_run(
    acme: Workspace, now: dt.datetime
) -> None:
    invoice = sent(acme, now)
    Invoice.objects.filter(pk=invoice.pk).update(amount="62.34", net="62.34")
    assert len(reconcile(now=now)) == 1
    Invoice.objects.filter(pk=invoice.pk).update(amount="61.34", net="61.34")
    assert reconcile(now=now) == []
    assert not Difference.objects.filter(Difference.OPEN).exists()


def test_a_run_that_cannot_read_stripe_says_so(
    acme: Workspace, now: dt.datetime, stripe_sandbox: SandboxProcess
) -> None:
    sent(acme, now)
    stripe_sandbox.inject("500_before", path="/v1/invoices$", method="GET", count=1)
    with pytest.raises(StripeUnavailable):
        reconcile(now=now)
    run = ReconciliationRun.objects.get()
    assert run.error
    assert run.finished_at is not None


def test_check_ledger_names_what_stripe_has_otherwise(
    acme: Workspace, now: dt.datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    invoice = sent(acme, now)
    settle.mark_void(invoice_id=invoice.pk, now=now)
    with pytest.raises(CommandError, match="difference"):
        call_command("check_ledger", "--stripe")
    assert f"{invoice.number}: status is void, in Stripe open" in capsys.readouterr().out


def test_check_ledger_says_when_stripe_cannot_be_read(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    stripe_sandbox.inject("500_before", path="/v1/invoices$", method="GET", count=1)
    with pytest.raises(CommandError, match="Stripe cannot be compared with"):
        call_command("check_ledger", "--stripe")
