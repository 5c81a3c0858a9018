"""Payments that come outside of Stripe: in part, in full, too much, and what is charged then."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from billing.errors import BillingError, Invalid
from billing.models import Workspace
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import (
    CreditEntry,
    Payment,
    PaymentAllocation,
    ReportedPayment,
    StripeSyncStep,
)
from invoices.payments.services import collection, settle, stripe_client
from invoices.payments.services.credit import NotEnoughCredit, pay_out_credit
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.receiving import (
    NotPayable,
    PaymentKeyReused,
    Share,
    pay_in_full,
    record_payment,
)
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.reporting import report_payment
from invoices.payments.services.settle.credit import credit_balance, spend_credit
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.payments.services.stripe_sync.run import Run
from invoices.payments.services.stripe_sync.steps import HANDLERS
from tests.kit.api import ApiClient
from tests.kit.crashes import Call, killed_at_request
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card

pytestmark = pytest.mark.django_db
NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
A_DAY = dt.timedelta(days=1)


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def pay(workspace: Workspace, amount: str, *invoices: Invoice, key: str = "") -> Payment:
    return record_payment(
        workspace_id=workspace.pk,
        amount=Decimal(amount),
        way="bank_transfer",
        received_on=dt.date(2026, 11, 4),
        reference="SEPA 4711",
        shares=[Share(invoice.pk) for invoice in invoices] or None,
        recorded_by="fiona@platform.test",
        key=key,
        now=NOVEMBER_5,
    )


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        yield


def state(invoice: Invoice) -> tuple[str, Decimal]:
    stored = Invoice.objects.get(pk=invoice.pk)
    return stored.status, stored.amount_open


def test_a_part_payment_leaves_the_rest_open_and_says_so(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    payment = pay(acme, "20.00", invoice)
    assert state(invoice) == ("partly_paid", Decimal("41.34"))
    assert (payment.amount_allocated, payment.amount_to_credit) == (Decimal("20.00"), 0)
    told = invoice.events.get(kind="payment").detail
    assert told == "$20.00 by Bank transfer (SEPA 4711); $41.34 is still open."


def test_the_last_part_pays_it_and_brings_the_workspace_back(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    settle.note_payment_failure(
        invoice_id=invoice.pk, at=NOVEMBER_2, now=NOVEMBER_2, source="Stripe", key="1"
    )
    pay(acme, "20.00", invoice)
    acme.refresh_from_db()
    assert (state(invoice), acme.status) == (("overdue", Decimal("41.34")), "suspended")
    pay(acme, "41.34", invoice)
    acme.refresh_from_db()
    assert (state(invoice), acme.status) == (("paid", Decimal(0)), "active")


def test_what_is_due_first_is_paid_first_and_what_is_over_is_credit(acme: Workspace) -> None:
    september, october = make_invoice(acme, month=9, amount="60.00"), make_invoice(acme)
    payment = pay(acme, "130.00")
    assert state(september) == ("paid", Decimal(0))
    assert state(october) == ("paid", Decimal(0))
    assert payment.amount_to_credit == Decimal("8.66")
    assert credit_balance(acme.pk, "USD") == Decimal("8.66")


def test_an_invoice_that_credit_has_paid_takes_no_other_money(acme: Workspace) -> None:
    pay(acme, "70.00")
    october = make_invoice(acme, status="draft")
    spend_credit([october.pk], now=NOVEMBER_5)
    september = make_invoice(acme, month=9)
    pay(acme, "61.34")
    assert state(september) == ("paid", Decimal(0))
    assert credit_balance(acme.pk, "USD") == Decimal("8.66")


def test_credit_pays_the_next_invoice_and_only_as_much_as_it_holds(acme: Workspace) -> None:
    pay(acme, "70.00")
    first, second = make_invoice(acme, status="draft"), make_invoice(acme, month=9, status="draft")
    with transaction.atomic():
        spend_credit([first.pk, second.pk], now=NOVEMBER_5)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.credit_used + second.credit_used == Decimal("70.00")
    assert (first.amount_open, second.amount_open) == (Decimal(0), Decimal("52.68"))
    kinds = list(CreditEntry.objects.values_list("kind", "balance"))
    assert kinds == [("overpayment", 70), ("spent", Decimal("8.66")), ("spent", 0)]


def test_a_void_invoice_gives_its_credit_back(acme: Workspace) -> None:
    pay(acme, "70.00")
    invoice = make_invoice(acme, status="draft")
    spend_credit([invoice.pk], now=NOVEMBER_5)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_5)
    assert credit_balance(acme.pk, "USD") == Decimal("70.00")
    assert state(invoice)[0] == "void"


def test_recording_it_twice_under_one_key_is_one_payment(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    assert pay(acme, "20.00", invoice, key="k") == pay(acme, "20.00", invoice, key="k")
    assert state(invoice) == ("partly_paid", Decimal("41.34"))
    with pytest.raises(PaymentKeyReused):
        pay(acme, "20.01", invoice, key="k")


def test_an_invoice_is_paid_in_full_once_under_one_key(acme: Workspace) -> None:
    october, september = make_invoice(acme), make_invoice(acme, month=9)
    facts = {
        "way": "other",
        "received_on": dt.date(2026, 11, 4),
        "reference": "Cheque 12",
        "reason": "On the statement",
        "recorded_by": "fiona",
        "key": "k",
        "now": NOVEMBER_5,
    }
    assert pay_in_full(invoice_id=october.pk, **facts) == pay_in_full(
        invoice_id=october.pk, **facts
    )
    with pytest.raises(PaymentKeyReused):
        pay_in_full(invoice_id=september.pk, **facts)
    assert (state(october)[0], state(september)[0]) == ("paid", "open")


def test_what_one_payment_pays_of_an_invoice_may_be_named_in_two_parts(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    part = {"invoice_id": str(invoice.pk), "amount": "5.00"}
    answer = ApiClient("billing:write").post(
        f"workspaces/{acme.pk}/payments/",
        {
            "idempotency_key": "k",
            "amount": "10.00",
            "way": "bank_transfer",
            "received_on": "2026-11-04",
            "reference": "SEPA 4711",
            "invoices": [part, part],
        },
    )
    assert (answer.status_code, answer.json()["to_credit"]) == (201, "0.00")
    assert state(invoice) == ("partly_paid", Decimal("51.34"))
    assert list(ReportedPayment.objects.values_list("amount", flat=True)) == [5, 5]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": Decimal(0)}, "amount"),
        ({"amount": Decimal("-1")}, "amount"),
        ({"amount": Decimal("NaN")}, "amount"),
        ({"amount": Decimal("1.005")}, "amount"),
        ({"way": "stripe"}, "way"),
        ({"currency": "EUR"}, "currency"),
        ({"currency": "12$"}, "currency"),
        ({"reference": " "}, "reference"),
        ({"received_on": dt.date(2026, 11, 9)}, "received_on"),
        ({"received_on": dt.date(1999, 1, 1)}, "received_on"),
    ],
)
def test_what_is_no_payment_is_refused(acme: Workspace, changes: dict, field: str) -> None:
    facts = {
        "workspace_id": acme.pk,
        "amount": Decimal("20.00"),
        "way": "bank_transfer",
        "received_on": dt.date(2026, 11, 4),
        "reference": "SEPA",
        "recorded_by": "fiona",
        "now": NOVEMBER_5,
    }
    with pytest.raises(Invalid) as refused:
        record_payment(**{**facts, **changes})
    assert refused.value.field == field
    assert not Payment.objects.exists()


def test_a_void_invoice_and_anothers_take_no_payment(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_5)
    with pytest.raises(NotPayable):
        pay(acme, "20.00", invoice)
    others = make_invoice(make_workspace("Globex"), month=9)
    with pytest.raises(BillingError):
        pay(acme, "20.00", others)
    assert not Payment.objects.exists()


def test_the_database_refuses_more_than_the_payment_or_the_invoice_holds(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    payment = pay(acme, "20.00", invoice)
    for amount in ("0.01", "99"):
        with refused("payment_pays_no_more_than_it_holds"):
            PaymentAllocation.objects.create(
                payment=payment, invoice=invoice, amount=Decimal(amount)
            )
    Payment.objects.filter(pk=payment.pk).update(amount=Decimal(500))
    with refused("invoice_settled_within_its_amount"):
        PaymentAllocation.objects.create(payment=payment, invoice=invoice, amount=Decimal("41.35"))
    with refused("append-only"):
        PaymentAllocation.objects.update(amount=1)


def test_what_is_partly_paid_is_not_voided_and_its_rest_becomes_overdue(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    pay(acme, "20.00", invoice)
    with pytest.raises(collection.NotAllowedNow):
        collection.void_invoice(
            invoice_id=invoice.pk, actor=None, reason="Wrong", reissue=False, now=NOVEMBER_5
        )
    collection.collect(now=dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
    assert state(invoice) == ("overdue", Decimal("41.34"))


def test_credit_is_paid_out_as_far_as_there_is_any(acme: Workspace) -> None:
    pay(acme, "70.00")

    def out(amount: str) -> CreditEntry:
        return pay_out_credit(
            workspace_id=acme.pk,
            amount=Decimal(amount),
            on=NOVEMBER_5.date(),
            reference="SEPA back",
            reason="They asked for it",
            source="fiona",
            key=f"out {amount}",
            now=NOVEMBER_5,
        )

    assert out("50.00").balance == Decimal("20.00")
    assert out("50.00").balance == Decimal("20.00")
    with pytest.raises(NotEnoughCredit):
        out("20.01")


@pytest.mark.django_db(transaction=True)
def test_two_payments_at_once_pay_an_invoice_once_and_the_rest_is_credit() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme)
    gate = Barrier(4)

    def run() -> None:
        try:
            gate.wait()
            pay(acme, "30.00", invoice)
        except NotPayable:
            pass  # the invoice was paid when its turn came
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(invoice) == ("paid", Decimal(0))
    assert Payment.objects.count() == 3
    assert credit_balance(acme.pk, "USD") == Decimal("28.66")


def in_stripe(invoice: Invoice) -> tuple[str, int, int]:
    invoice.refresh_from_db()
    found = stripe_client.get(f"/v1/invoices/{invoice.stripe_invoice_id}")
    return found["status"], found["amount_paid"], found["amount_remaining"]


def sent(workspace: Workspace) -> Invoice:
    invoice = make_invoice(workspace, status="draft", collection_method="send_invoice")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    return invoice


def report_all(now: dt.datetime = NOVEMBER_5) -> list[str]:
    for report in ReportedPayment.objects.filter(status="waiting"):
        report_payment(report_id=report.pk, now=now)
    return list(ReportedPayment.objects.values_list("status", flat=True))


def test_stripe_charges_only_the_rest(acme: Workspace, stripe_sandbox: SandboxProcess) -> None:
    invoice = sent(acme)
    pay(acme, "20.00", invoice)
    assert report_all() == ["done"]
    assert in_stripe(invoice) == ("open", 2000, 4134)
    give_card(ensure_customer(workspace_id=acme.pk, now=NOVEMBER_5))
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
    give_card(ensure_customer(workspace_id=acme.pk, now=NOVEMBER_5))
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
    customer = ensure_customer(workspace_id=acme.pk, now=NOVEMBER_2)
    give_card(customer)
    invoice = make_invoice(acme, status="draft")
    pay_step = HANDLERS[StripeSyncStep.Kind.PAY]

    def pay_first(run: Run, step: StripeSyncStep) -> None:
        if not Payment.objects.exists():
            pay(acme, "20.00", invoice)
        pay_step(run, step)

    monkeypatch.setitem(HANDLERS, StripeSyncStep.Kind.PAY, pay_first)
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_5).done
    assert [charge["amount"] for charge in stripe_client.every("/v1/charges")] == [4134]


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
    give_card(ensure_customer(workspace_id=acme.pk, now=NOVEMBER_2))
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
    give_card(ensure_customer(workspace_id=acme.pk, now=NOVEMBER_2))
    invoice = sent(acme)
    invoice.refresh_from_db()
    stripe_client.post(f"/v1/invoices/{invoice.stripe_invoice_id}/pay")
    pay(acme, "61.34", invoice)  # Stripe's news comes later
    assert reconcile(now=NOVEMBER_5) == []
    assert state(invoice) == ("paid", Decimal(0))
    assert credit_balance(acme.pk, "USD") == Decimal("61.34")
    assert invoice.events.filter(kind="conflict").count() == 1


REPORTING = {
    "record": Call("POST", r"/v1/payment_records/report_payment$"),
    "attachment": Call("POST", r"/attach_payment$"),
}


@pytest.mark.parametrize("pause", [dt.timedelta(hours=2), A_DAY + dt.timedelta(hours=2)])
@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "500_before", "500_after", "saved_500", "429"]
)
@pytest.mark.parametrize("name", REPORTING)
def test_a_report_that_fails_is_made_good_and_counts_once(
    acme: Workspace, stripe_sandbox: SandboxProcess, name: str, fault: str, pause: dt.timedelta
) -> None:
    invoice = sent(acme)
    pay(acme, "20.00", invoice)
    call = REPORTING[name]
    stripe_sandbox.inject(fault, method=call.method, path=call.path)
    assert report_all() == ["waiting"]
    stripe_sandbox.advance(int(pause.total_seconds()))
    for round_ in range(3):
        report_all(NOVEMBER_5 + pause + round_ * dt.timedelta(hours=2))
    assert report_all() == ["done"]
    assert in_stripe(invoice) == ("open", 2000, 4134)
    assert len(list(stripe_client.every("/v1/payment_records"))) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", REPORTING)
def test_a_process_killed_at_a_report_is_followed_by_another(
    acme: Workspace,
    stripe_sandbox: SandboxProcess,
    name: str,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice = sent(acme)
    pay(acme, "20.00", invoice)
    with killed_at_request(REPORTING[name], when=when, monkeypatch=monkeypatch):
        report_all()
    assert report_all(NOVEMBER_5 + dt.timedelta(hours=1)) == ["done"]
    assert in_stripe(invoice) == ("open", 2000, 4134)
    assert len(list(stripe_client.every("/v1/payment_records"))) == 1
