"""What becomes of an issued invoice, whatever is heard of it and in which order."""

import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest
from pytest_django import Settings

from billing.errors import NotFound
from billing.models import Email, Workspace
from billing.services.workspaces import update_workspace
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.services import settle
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db

NOVEMBER_3 = dt.datetime(2026, 11, 3, 9, 0, tzinfo=dt.UTC)
NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, 0, tzinfo=dt.UTC)
NOVEMBER_17 = dt.datetime(2026, 11, 17, 6, 0, tzinfo=dt.UTC)


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme", billing_email="billing@acme.test")


def fail(invoice: Invoice, *, now: dt.datetime = NOVEMBER_3, key: str = "evt_1") -> Invoice:
    return settle.note_payment_failure(
        invoice_id=invoice.pk, at=now, now=now, source="Stripe", key=key, detail="Card declined."
    )


def pay(invoice: Invoice, *, now: dt.datetime = NOVEMBER_5) -> Invoice:
    return settle.mark_paid(invoice_id=invoice.pk, paid_at=now, now=now, source="Stripe")


def state(invoice: Invoice) -> tuple[str, str, str]:
    """Status of the invoice, its period and its workspace, as stored."""
    stored = Invoice.objects.select_related("billing_period", "workspace").get(pk=invoice.pk)
    return stored.status, stored.billing_period.status, stored.workspace.status


def history(invoice: Invoice) -> list[str]:
    return list(InvoiceEvent.objects.filter(invoice=invoice).values_list("kind", flat=True))


def mails(kind: str) -> list[list[str]]:
    return list(Email.objects.filter(kind=kind).values_list("recipients", flat=True))


def test_an_invoice_that_stripe_has_finalized_is_open_and_knows_its_counterpart(
    acme: Workspace,
) -> None:
    invoice = make_invoice(acme, status="draft")
    for _ in range(2):
        settle.mark_open(
            invoice_id=invoice.pk,
            stripe_invoice_id="in_1",
            hosted_invoice_url="https://pay.example/in_1",
            now=NOVEMBER_2,
        )
    invoice.refresh_from_db()
    assert (invoice.status, invoice.stripe_invoice_id) == ("open", "in_1")
    assert invoice.hosted_invoice_url == "https://pay.example/in_1"
    assert invoice.billing_period.stripe_invoice_id == "in_1"
    assert history(invoice) == ["opened"]


def test_an_invoice_is_never_tied_to_a_second_one_in_stripe(acme: Workspace) -> None:
    invoice = make_invoice(acme, stripe_invoice_id="in_1")
    with pytest.raises(settle.OtherStripeInvoice) as refused:
        settle.mark_open(
            invoice_id=invoice.pk, stripe_invoice_id="in_2", hosted_invoice_url="", now=NOVEMBER_2
        )
    assert refused.value.code == "other_stripe_invoice"
    invoice.refresh_from_db()
    assert invoice.stripe_invoice_id == "in_1"


def test_payment_pays_the_invoice_and_its_period_and_says_thanks_once(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(invoice)
    pay(invoice, now=NOVEMBER_17)
    invoice.refresh_from_db()
    assert state(invoice) == ("paid", "paid", "active")
    assert invoice.paid_at == NOVEMBER_5
    assert invoice.billing_period.paid_at == NOVEMBER_5
    assert history(invoice) == ["paid"]
    assert mails("invoice_paid") == [["billing@acme.test", "owner@acme.test"]]


def test_a_failed_automatic_charge_makes_it_overdue_and_suspends_the_workspace(
    acme: Workspace,
) -> None:
    invoice = make_invoice(acme)
    fail(invoice)
    assert state(invoice) == ("overdue", "overdue", "suspended")
    acme.refresh_from_db()
    assert acme.suspension_reason == "payment"
    assert history(invoice) == ["payment_failed", "overdue", "suspended"]
    mail = Email.objects.get(kind="invoice_overdue")
    assert mail.subject == "Your payment of invoice INV-2026-000001 failed"
    assert "$61.34" in mail.text
    assert "suspended" in mail.text


def test_each_failed_attempt_is_told_once(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    fail(invoice, key="evt_1")
    fail(invoice, key="evt_1")
    fail(invoice, key="evt_2", now=NOVEMBER_5)
    assert history(invoice).count("payment_failed") == 2
    assert history(invoice).count("suspended") == 1
    assert len(mails("invoice_overdue")) == 1


def test_a_late_payment_brings_the_workspace_back(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    fail(invoice)
    pay(invoice)
    assert state(invoice) == ("paid", "paid", "active")
    assert history(invoice) == [
        "payment_failed",
        "overdue",
        "suspended",
        "paid",
        "reactivated",
    ]


def test_a_failure_told_after_the_payment_never_takes_the_payment_back(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(invoice)
    fail(invoice, now=NOVEMBER_3)
    assert state(invoice) == ("paid", "paid", "active")
    assert not mails("invoice_overdue")


def test_opening_after_the_payment_only_tells_the_counterpart(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="draft")
    pay(invoice)
    settle.mark_open(
        invoice_id=invoice.pk, stripe_invoice_id="in_1", hosted_invoice_url="", now=NOVEMBER_17
    )
    invoice.refresh_from_db()
    assert (invoice.status, invoice.stripe_invoice_id) == ("paid", "in_1")


def test_the_workspace_stays_suspended_while_another_invoice_blocks_it(acme: Workspace) -> None:
    september = make_invoice(acme, month=9)
    october = make_invoice(acme, month=10)
    fail(september)
    fail(october)
    pay(september)
    assert state(september) == ("paid", "paid", "suspended")
    pay(october)
    assert state(october) == ("paid", "paid", "active")


def test_an_overdue_invoice_within_its_grace_does_not_hold_the_workspace_back(
    acme: Workspace,
) -> None:
    failed = make_invoice(acme, month=9)
    sent = make_invoice(acme, month=10, collection_method="send_invoice")
    fail(failed)
    settle.mark_overdue(invoice_id=sent.pk, now=NOVEMBER_17, reason="past_due")
    pay(failed, now=NOVEMBER_17)
    assert state(sent) == ("overdue", "overdue", "active")


def test_payment_does_not_lift_a_suspension_by_staff(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    update_workspace(workspace_id=acme.pk, changes={"status": "suspended"}, now=NOVEMBER_2)
    fail(invoice)
    pay(invoice)
    assert state(invoice) == ("paid", "paid", "suspended")


def test_staff_who_let_a_debtor_go_on_are_not_overruled_by_the_next_failure(
    acme: Workspace,
) -> None:
    invoice = make_invoice(acme)
    fail(invoice, key="evt_1")
    update_workspace(workspace_id=acme.pk, changes={"status": "active"}, now=NOVEMBER_3)
    fail(invoice, key="evt_2", now=NOVEMBER_5)
    assert not settle.suspend_workspace(invoice_id=invoice.pk, now=NOVEMBER_17)
    assert state(invoice) == ("overdue", "overdue", "active")


def test_a_card_declined_on_an_invoice_sent_by_mail_leaves_its_customer_time(
    acme: Workspace,
) -> None:
    invoice = make_invoice(acme, collection_method="send_invoice")
    fail(invoice, now=NOVEMBER_3)
    assert state(invoice) == ("open", "finalized", "active")
    assert history(invoice) == ["payment_failed"]
    fail(invoice, now=NOVEMBER_17, key="evt_2")
    assert state(invoice) == ("overdue", "overdue", "active")


def test_failed_charges_may_be_given_a_grace(acme: Workspace, settings: Settings) -> None:
    settings.SUSPEND_AFTER_FAILED_CHARGE_DAYS = 3
    invoice = make_invoice(acme)
    fail(invoice)
    assert state(invoice) == ("overdue", "overdue", "active")
    assert settle.suspend_workspace(invoice_id=invoice.pk, now=NOVEMBER_5)
    assert state(invoice) == ("overdue", "overdue", "suspended")
    assert len(mails("invoice_suspended")) == 1


def test_voiding_an_overdue_invoice_frees_period_and_workspace(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    fail(invoice)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_5)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_17)
    invoice.refresh_from_db()
    assert state(invoice) == ("void", "finalized", "active")
    assert invoice.voided_at == NOVEMBER_5
    assert history(invoice).count("voided") == 1


def test_an_uncollectible_invoice_goes_on_blocking_until_it_is_paid_after_all(
    acme: Workspace,
) -> None:
    invoice = make_invoice(acme)
    fail(invoice)
    settle.mark_uncollectible(invoice_id=invoice.pk, now=NOVEMBER_5)
    assert state(invoice) == ("uncollectible", "overdue", "suspended")
    fail(invoice, key="evt_2")
    assert state(invoice)[0] == "uncollectible"
    pay(invoice, now=NOVEMBER_17)
    assert state(invoice) == ("paid", "paid", "active")


def test_money_for_a_void_invoice_is_a_conflict_that_finance_hears_of(
    acme: Workspace, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    invoice = make_invoice(acme)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_3)
    pay(invoice)
    pay(invoice)
    assert state(invoice)[0] == "void"
    assert history(invoice) == ["voided", "conflict"]
    assert mails("finance") == [["finance@platform.test"]]


def test_one_workspace_paying_changes_nothing_for_another(acme: Workspace) -> None:
    globex = make_workspace("Globex")
    ours, theirs = make_invoice(acme), make_invoice(globex)
    fail(ours)
    fail(theirs)
    pay(ours)
    assert state(theirs) == ("overdue", "overdue", "suspended")


def test_an_unknown_invoice_is_not_found() -> None:
    with pytest.raises(NotFound):
        settle.mark_paid(invoice_id=uuid4(), paid_at=NOVEMBER_5, now=NOVEMBER_5)


def refund(invoice: Invoice, refund_id: str, amount: str, status: str = "succeeded") -> None:
    settle.note_refund(
        invoice_id=invoice.pk,
        refund_id=refund_id,
        amount=Decimal(amount),
        status=status,
        at=NOVEMBER_5,
        now=NOVEMBER_5,
        source="Stripe",
        charge_id="ch_1",
    )


def refunded_charge(invoice: Invoice, total: str, *, is_current: bool = False) -> None:
    settle.note_refunded_charge(
        invoice_id=invoice.pk,
        charge_id="ch_1",
        amount=Decimal("61.34"),
        amount_refunded=Decimal(total),
        at=NOVEMBER_5,
        now=NOVEMBER_5,
        source="Stripe",
        is_current=is_current,
    )


def shown_refund(invoice: Invoice) -> Decimal:
    invoice.refresh_from_db()
    return invoice.amount_refunded


def test_refunds_and_their_charge_say_the_same_in_any_order(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(invoice)
    refunded_charge(invoice, "30.00")
    refund(invoice, "re_1", "10.00")
    refund(invoice, "re_2", "20.00")
    assert shown_refund(invoice) == Decimal("30.00")
    refund(invoice, "re_3", "5.00")
    assert shown_refund(invoice) == Decimal("35.00")
    refunded_charge(invoice, "30.00")
    assert shown_refund(invoice) == Decimal("35.00")
    assert state(invoice)[0] == "paid"


def test_a_refund_that_failed_no_longer_counts(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(invoice)
    refund(invoice, "re_1", "10.00", "pending")
    refund(invoice, "re_1", "10.00", "failed")
    refund(invoice, "re_1", "10.00", "pending")
    assert shown_refund(invoice) == Decimal("0.00")
    refunded_charge(invoice, "10.00")
    assert shown_refund(invoice) == Decimal("10.00")
    refunded_charge(invoice, "0.00", is_current=True)
    assert shown_refund(invoice) == Decimal("0.00")


def test_more_than_the_invoice_is_never_shown_as_refunded(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(invoice)
    refund(invoice, "re_1", "70.00")
    assert shown_refund(invoice) == Decimal("61.34")


def test_a_dispute_is_shown_with_each_state_and_its_end_is_final(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(invoice)
    for status in ("needs_response", "needs_response", "lost", "under_review"):
        settle.note_dispute(
            invoice_id=invoice.pk,
            dispute_id="dp_1",
            amount=Decimal("61.34"),
            status=status,
            at=NOVEMBER_5,
            now=NOVEMBER_5,
            source="Stripe",
            reason="fraudulent",
        )
    assert invoice.payment_entries.get(stripe_id="dp_1").status == "lost"
    details = invoice.events.filter(kind="dispute").values_list("detail", flat=True)
    assert list(details) == ["$61.34, needs response, fraudulent", "$61.34, lost, fraudulent"]


def test_a_credit_note_is_shown_on_the_invoice(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    settle.note_credit_note(
        invoice_id=invoice.pk,
        credit_note_id="cn_1",
        amount=Decimal("5.00"),
        status="issued",
        at=NOVEMBER_5,
        now=NOVEMBER_5,
        source="Stripe",
    )
    assert invoice.events.get(kind="credit_note").detail == "$5.00, issued"
