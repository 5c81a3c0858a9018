"""What was paid outside of Stripe is told to it, once, before it charges for the rest."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.models import Payment, StripeSyncStep
from invoices.payments.services import collection, stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.receiving import pay_in_full
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.settle.credit import credit_balance, spend_credit
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.payments.services.stripe_sync.run import Run
from invoices.payments.services.stripe_sync.steps import HANDLERS
from tests.kit.crashes import Call
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.payments import NOVEMBER_5, in_stripe, pay, report_all, sent, state
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card

pytestmark = pytest.mark.django_db
A_DAY = dt.timedelta(days=1)
REPORTING = {
    "record": Call("POST", r"/v1/payment_records/report_payment$"),
    "attachment": Call("POST", r"/attach_payment$"),
}


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def test_stripe_charges_only_the_rest(acme: Workspace, stripe_sandbox: SandboxProcess) -> None:
    invoice = sent(acme)
    pay(acme, "20.00", invoice)
    assert report_all() == ["done"]
    assert in_stripe(invoice) == ("open", 2000, 4134)
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_5))
    action = collection.retry_payment(invoice_id=invoice.pk, actor=None, now=NOVEMBER_5)
    collection.carry_out(action_id=action.pk, now=NOVEMBER_5)
    assert in_stripe(invoice) == ("paid", 6134, 0)
    assert state(invoice) == ("paid", Decimal(0))
    ways = list(Payment.objects.order_by("amount").values_list("way", "amount"))
    assert ways == [("bank_transfer", 20), ("stripe", Decimal("41.34"))]
    assert reconcile(now=NOVEMBER_5) == []


def test_nothing_is_charged_before_stripe_knows_what_was_paid(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = sent(acme)
    pay(acme, "20.00", invoice)
    with pytest.raises(collection.ActionPending, match="not heard"):
        collection.retry_payment(invoice_id=invoice.pk, actor=None, now=NOVEMBER_5)


def test_what_is_paid_after_a_charge_was_asked_for_is_not_charged(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = sent(acme)
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_5))
    action = collection.retry_payment(invoice_id=invoice.pk, actor=None, now=NOVEMBER_5)
    pay(acme, "20.00", invoice)
    stripe_sandbox.inject("500_before", method="POST", path=REPORTING["attachment"].path)
    collection.carry_out(action_id=action.pk, now=NOVEMBER_5)
    assert in_stripe(invoice) == ("open", 0, 6134)
    collection.carry_out(action_id=action.pk, now=NOVEMBER_5 + dt.timedelta(hours=1))
    ways = list(Payment.objects.order_by("amount").values_list("way", "amount"))
    assert ways == [("bank_transfer", 20), ("stripe", Decimal("41.34"))]
    assert in_stripe(invoice) == ("paid", 6134, 0)


def test_what_is_paid_before_the_syncs_charge_is_not_charged(
    acme: Workspace, stripe_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2)
    give_card(customer)
    invoice = make_invoice(acme, status="draft")
    pay_step = HANDLERS[StripeSyncStep.Kind.PAY]

    def pay_first(run: Run, step: StripeSyncStep) -> None:
        if not Payment.objects.exists():
            pay(acme, "20.00", invoice)
        pay_step(run, step)

    monkeypatch.setitem(HANDLERS, StripeSyncStep.Kind.PAY, pay_first)
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_5).done
    assert [charge["amount"] for charge in stripe_client.every(DEFAULT, "/v1/charges")] == [4134]


def test_what_is_paid_in_full_elsewhere_is_paid_in_stripe_too(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = sent(acme)
    pay_in_full(
        invoice_id=invoice.pk,
        way="other",
        received_on=dt.date(2026, 11, 4),
        reference="Cheque 12",
        reason="On the statement",
        recorded_by="fiona",
        now=NOVEMBER_5,
    )
    assert report_all() == ["done"]
    assert in_stripe(invoice) == ("paid", 6134, 0)
    assert reconcile(now=NOVEMBER_5) == []


def test_credit_is_taken_off_what_a_new_invoice_charges(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2))
    pay(acme, "10.00")
    invoice = make_invoice(acme, status="draft")
    spend_credit([invoice.pk], now=NOVEMBER_5)
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_5).done
    assert in_stripe(invoice) == ("paid", 6134, 0)
    assert state(invoice) == ("paid", Decimal(0))
    assert Payment.objects.get(way="stripe").amount == Decimal("51.34")


def test_money_that_comes_twice_is_credit_and_finance_hears_of_it(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2))
    invoice = sent(acme)
    invoice.refresh_from_db()
    stripe_client.post(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}/pay")
    pay(acme, "61.34", invoice)  # Stripe's news comes later
    assert reconcile(now=NOVEMBER_5) == []
    assert state(invoice) == ("paid", Decimal(0))
    assert credit_balance(acme.pk, "USD") == Decimal("61.34")
    assert invoice.events.filter(kind="conflict").count() == 1
