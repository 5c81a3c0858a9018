"""A payment by hand that was recorded wrongly is taken back, and what it paid is open again."""

import datetime as dt
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from billing.errors import Invalid
from billing.models import AuditEntry, Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import CreditEntry, Payment, PaymentReversal, ReportedPayment
from invoices.payments.services import collection, settle, stripe_client
from invoices.payments.services.ledger.payments import payment_differences
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.refresh import refresh_invoice
from invoices.payments.services.settle.credit import credit_balance, spend_credit
from invoices.payments.services.statements import statement
from invoices.payments.services.taking_back import CannotTakeBack, take_back_payment
from tests.kit.api import ApiClient
from tests.kit.invoices import make_invoice
from tests.kit.payments import NOVEMBER_5, pay, report_all, sent, state
from tests.kit.personas import make_workspace
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db
NOVEMBER_6 = NOVEMBER_5 + dt.timedelta(days=1)


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def take_back(payment: Payment, reason: str = "It was Globex's.") -> PaymentReversal:
    return take_back_payment(
        payment_id=payment.pk, reason=reason, taken_back_by="frank@platform.test", now=NOVEMBER_6
    )


def flaws(workspace: Workspace) -> list[str]:
    return [each.detail for each in payment_differences(Scope(workspace_id=workspace.pk))]


def test_a_paid_invoice_is_open_again_with_its_period(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = sent(acme)
    payment = pay(acme, "61.34", invoice)
    assert state(invoice) == ("paid", Decimal(0))
    reversal = take_back(payment)
    invoice.refresh_from_db()
    assert state(invoice) == ("open", Decimal("61.34"))
    assert invoice.billing_period is not None
    assert (invoice.billing_period.status, invoice.billing_period.paid_at) == ("finalized", None)
    told = invoice.events.get(kind="payment_taken_back")
    assert (told.source, told.detail) == (
        "frank@platform.test",
        "$61.34 by Bank transfer (SEPA 4711) was recorded wrongly: It was Globex's."
        " $61.34 is open.",
    )
    assert ReportedPayment.objects.get().status == "failed"  # Stripe never hears of it
    assert flaws(acme) == []
    assert take_back(payment, "Again") == reversal
    assert state(invoice) == ("open", Decimal("61.34"))
    entry = AuditEntry.objects.get(table="payments_paymentreversal")
    assert entry.workspace_id == acme.pk


def test_the_rest_of_two_payments_stays(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    wrong = pay(acme, "20.00", invoice)
    pay(acme, "5.00", invoice)
    take_back(wrong)
    assert state(invoice) == ("partly_paid", Decimal("56.34"))
    assert flaws(acme) == []


def test_credit_that_it_left_is_taken_back_while_it_is_there(acme: Workspace) -> None:
    october = make_invoice(acme)
    payment = pay(acme, "70.00", october)
    take_back(payment)
    assert (state(october), credit_balance(acme.pk, "USD")) == (("draft", Decimal("61.34")), 0)
    kinds = list(CreditEntry.objects.values_list("kind", "amount", "balance"))
    assert kinds == [
        ("overpayment", Decimal("8.66"), Decimal("8.66")),
        ("taken_back", Decimal("-8.66"), 0),
    ]
    assert flaws(acme) == []


def test_credit_that_was_used_keeps_the_payment_where_it_is(acme: Workspace) -> None:
    payment = pay(acme, "70.00")
    next_one = make_invoice(acme, status="draft")
    spend_credit([next_one.pk], now=NOVEMBER_5)
    with pytest.raises(CannotTakeBack, match=r"70\.000 USD of it became credit, and only 8\.660"):
        take_back(payment)
    assert not PaymentReversal.objects.exists()
    assert credit_balance(acme.pk, "USD") == Decimal("8.66")


@pytest.mark.django_db(transaction=True)
def test_taking_back_and_using_the_credit_at_once_is_one_of_the_two() -> None:
    acme = make_workspace("Acme")
    payment = pay(acme, "70.00")
    bill = make_invoice(acme, status="draft")
    gate, outcomes = Barrier(3), []

    def back() -> None:
        try:
            gate.wait()
            take_back(payment)
            outcomes.append("back")
        except CannotTakeBack:
            outcomes.append("kept")
        finally:
            connection.close()

    def spend() -> None:
        try:
            gate.wait()
            with transaction.atomic():
                Workspace.objects.select_for_update().get(pk=acme.pk)
                spend_credit([bill.pk], now=NOVEMBER_5)
        finally:
            connection.close()

    threads = [Thread(target=run) for run in (back, back, spend)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bill.refresh_from_db()
    was_taken_back = PaymentReversal.objects.filter(payment=payment).count()
    assert outcomes == (["back", "back"] if was_taken_back else ["kept", "kept"])
    assert bill.credit_used == (0 if was_taken_back else Decimal("61.34"))
    assert flaws(acme) == []


def test_what_stripe_collected_or_nobody_explains_is_not_taken_back(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    settle.mark_paid(invoice_id=invoice.pk, paid_at=NOVEMBER_5, now=NOVEMBER_5)
    collected = Payment.objects.get(way="stripe")
    with pytest.raises(CannotTakeBack, match="refund"):
        take_back(collected)
    with pytest.raises(Invalid):
        take_back(collected, " ")
    with (
        pytest.raises(IntegrityError, match="is not one by hand"),
        transaction.atomic(),
    ):
        PaymentReversal.objects.create(
            workspace=acme, payment=collected, reason="x", taken_back_by="x", on=NOVEMBER_5.date()
        )
    assert state(invoice)[0] == "paid"


def test_the_statement_shows_both(acme: Workspace) -> None:
    make_invoice(acme)
    take_back(pay(acme, "70.00"))
    made = statement(acme, first=dt.date(2026, 11, 1), last=dt.date(2026, 11, 30))
    moves = [(line.text, line.amount) for line in made.lines[-2:]]
    assert moves == [
        ("Payment, bank transfer", Decimal("-70.00")),
        ("Payment taken back, bank transfer", Decimal("70.00")),
    ]
    assert made.closing == Decimal("61.34")


def test_stripe_that_was_told_keeps_it_and_the_next_payment_makes_up_for_it(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = sent(acme)
    payment = pay(acme, "61.34", invoice)
    report_all()
    take_back(payment)
    invoice.refresh_from_db()
    assert invoice.stripe_invoice_id
    assert refresh_invoice(DEFAULT, stripe_invoice_id=invoice.stripe_invoice_id, now=NOVEMBER_6)
    assert state(invoice) == ("open", Decimal("61.34"))
    assert collection.allowed_actions(Invoice.objects.get(pk=invoice.pk)) == {"mark_uncollectible"}
    assert reconcile(now=NOVEMBER_6) == []
    pay(acme, "61.34", invoice)
    assert state(invoice) == ("paid", Decimal(0))
    assert ReportedPayment.objects.count() == 1
    found = stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")
    assert (found["status"], found["amount_paid"]) == ("paid", 6134)
    assert reconcile(now=NOVEMBER_6 + dt.timedelta(days=1)) == []
    assert flaws(acme) == []


def test_of_the_next_payment_stripe_hears_what_it_does_not_count_yet(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = sent(acme)
    payment = pay(acme, "20.00", invoice)
    report_all()
    take_back(payment)
    assert state(invoice) == ("open", Decimal("61.34"))
    pay(acme, "61.34", invoice)
    report_all()
    found = stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")
    assert (found["status"], found["amount_remaining"]) == ("paid", 0)
    assert state(invoice) == ("paid", Decimal(0))


def test_services_take_back_their_own_workspaces_payments(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    payment = pay(acme, "20.00", invoice)
    address = f"payments/{payment.pk}/take-back/"
    foreign = ApiClient("billing:write", workspace_id=make_workspace("Globex").pk)
    assert foreign.post(address, {"reason": "Wrong"}).status_code == 404
    client = ApiClient("billing:write")
    assert client.post(address, {}).status_code == 400
    answer = client.post(address, {"reason": "Wrong amount"})
    again = client.post(address, {"reason": "Wrong amount"})
    assert (answer.status_code, answer.json()) == (200, again.json())
    assert answer.json()["taken_back"]["reason"] == "Wrong amount"
    assert state(invoice) == ("open", Decimal("61.34"))
