"""Payments that come outside of Stripe: in part, in full, too much, and the credit they leave."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from billing.errors import BillingError, Invalid
from billing.models import Workspace
from invoices.payments.models import CreditEntry, Payment, PaymentAllocation, ReportedPayment
from invoices.payments.services import collection, settle
from invoices.payments.services.credit import NotEnoughCredit, pay_out_credit
from invoices.payments.services.receiving import (
    NotPayable,
    PaymentKeyReused,
    pay_in_full,
    record_payment,
)
from invoices.payments.services.settle.credit import credit_balance, spend_credit
from tests.kit.api import ApiClient
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.payments import NOVEMBER_5, pay, state
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        yield


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
