"""Reports of what is owed, what came in and went back, credit and taxes: worked numbers."""

from decimal import Decimal

import pytest

from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import CreditEntry, PaymentEntry, PaymentReversal
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from tests.kit.reports import NOW, at, credit, day, pay, rows_of, void

pytestmark = pytest.mark.django_db


def test_ageing_is_by_days_from_the_due_date_and_by_what_was_settled_by_then() -> None:
    acme = make_workspace("Acme")
    due = {
        "2026-11-22": "1.00",  # today: not due yet
        "2026-11-21": "2.00",
        "2026-10-23": "4.00",  # 30 days
        "2026-10-22": "8.00",  # 31
        "2026-08-24": "16.00",  # 90
        "2026-08-23": "32.00",  # 91
    }
    for month, (due_date, amount) in enumerate(due.items(), start=1):
        make_invoice(acme, month=month, amount=amount, due_date=day(due_date))

    [row] = rows_of("ageing")

    assert (row["not_due"], row["to_30"], row["to_60"], row["to_90"], row["beyond"]) == (
        1, 6, 8, 16, 32,
    )  # fmt: skip
    assert (row["open"], row["invoices"], row["oldest_due"]) == (63, 6, day("2026-08-23"))


def test_what_was_open_on_a_day_counts_what_had_settled_it_by_then() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="100.00")
    pay(invoice, "30.00", "2026-11-05")
    credit(invoice, "10.00", "2026-11-10", to_open="10.00")
    CreditEntry.objects.create(
        workspace=acme, currency="USD", position=1, kind="credit_note", amount=Decimal(5),
        balance=Decimal(5), on=day("2026-11-12"), source="fay",
    )  # fmt: skip
    CreditEntry.objects.create(
        workspace=acme, currency="USD", position=2, kind="spent", amount=Decimal(-5),
        balance=Decimal(0), invoice=invoice, on=day("2026-11-12"), source="fay",
    )  # fmt: skip
    pay(invoice, "55.00", "2026-11-20")

    def open_on(text: str) -> list[Decimal]:
        return [row["open"] for row in rows_of("open-invoices", as_of=day(text))]

    assert open_on("2026-11-01") == []  # issued the day after
    assert open_on("2026-11-02") == [100]
    assert open_on("2026-11-05") == [70]
    assert open_on("2026-11-11") == [60]
    assert open_on("2026-11-12") == [55]
    assert open_on("2026-11-20") == []
    assert [row["balance"] for row in rows_of("customer-credit", as_of=day("2026-11-20"))] == [0]


def test_where_it_is_tomorrow_already_todays_documents_are_known() -> None:
    southerly = make_workspace("Southerly", timezone="Australia/Sydney")
    invoice = make_invoice(southerly, amount="60.00", due_date=day("2026-12-07"))
    # The 23rd in Sydney, eleven hours ahead.
    Invoice.objects.filter(pk=invoice.pk).update(issued_at=NOW.replace(hour=16))

    assert [row["open"] for row in rows_of("ageing", now=NOW.replace(hour=17))] == [60]
    later = NOW.replace(day=24)
    assert rows_of("ageing", as_of=day("2026-11-22"), now=later) == []
    assert [row["open"] for row in rows_of("ageing", as_of=day("2026-11-23"), now=later)] == [60]


def test_what_is_void_or_written_off_is_owed_until_that_day() -> None:
    acme = make_workspace("Acme")
    cancelled, given_up = (
        make_invoice(acme, month=month, amount=amount)
        for month, amount in ((9, "7.00"), (10, "5.00"))
    )
    void(cancelled, "2026-11-10")
    Invoice.objects.filter(pk=given_up.pk).update(status="uncollectible")
    InvoiceEvent.objects.create(
        invoice=given_up, kind="uncollectible", at=at("2026-11-15"), source="fay"
    )

    def open_on(text: str) -> Decimal:
        return sum((row["open"] for row in rows_of("open-invoices", as_of=day(text))), Decimal(0))

    assert [open_on(f"2026-11-{each}") for each in ("09", "10", "14", "15")] == [12, 5, 5, 0]
    [row] = rows_of("written-off")
    assert (row["number"], row["open"], row["written_off"]) == (
        given_up.number, 5, day("2026-11-15"),
    )  # fmt: skip


def test_days_sales_outstanding_are_what_is_open_over_what_was_invoiced_in_ninety_days() -> None:
    acme = make_workspace("Acme")
    make_invoice(acme, month=8, amount="900.00", issued_at=at("2026-08-01"))  # 91 days before
    make_invoice(acme, month=9, amount="60.00", issued_at=at("2026-10-02"))
    pay(
        make_invoice(acme, month=10, amount="40.00", issued_at=at("2026-10-03")), "40", "2026-10-30"
    )
    pay(Invoice.objects.get(amount=900), "900.00", "2026-08-30")

    [october, november] = rows_of("dso")

    assert (october["at"], october["open"], october["invoiced"]) == (day("2026-10-31"), 60, 100)
    assert october["dso"] == 54  # 60 / 100 * 90
    assert november["at"] == NOW.date()


def test_collections_take_off_what_went_back_and_what_is_disputed() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="100.00")
    pay(invoice, "100.00", "2026-11-05")
    for kind, stripe_id, amount, status in (
        ("refund", "re_1", "10", "succeeded"),
        ("refund", "re_2", "99", "failed"),
        ("dispute", "du_1", "25", "needs_response"),
        ("dispute", "du_2", "50", "won"),
    ):
        PaymentEntry.objects.create(
            invoice=invoice, kind=kind, stripe_id=stripe_id, amount=Decimal(amount), status=status,
            occurred_at=at("2026-11-08"),
        )  # fmt: skip

    found = [
        (row["way"], row["payments"], row["received"], row["refunded"], row["disputed"], row["net"])
        for row in rows_of("collections")
    ]

    assert found == [
        ("Bank transfer", 1, 100, 0, 0, 100),
        ("Stripe", 0, 0, -10, -25, -35),
    ]
    assert [row["invoices"] for row in rows_of("payments")] == [invoice.number]


def test_taxes_keep_what_was_reported_and_take_it_off_when_it_is_void() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="100.00", issued_at=at("2026-10-05"))
    invoice.taxes.create(
        position=1, category="S", rate=21, name="VAT", country="NL", currency="USD",
        base=Decimal(100), tax=Decimal(21),
    )  # fmt: skip
    note = credit(make_invoice(acme, month=11, amount="49.00"), "10.00", "2026-11-03")
    note.invoice.taxes.create(
        position=1, category="S", rate=21, name="VAT", country="NL", currency="USD",
        base=Decimal(49), tax=Decimal("10.29"),
    )  # fmt: skip
    note.taxes.create(category="S", rate=21, name="VAT", base=Decimal(10), tax=Decimal("2.10"))
    void(invoice, "2026-11-10")

    found = [
        (row["month"].month, row["country"], row["tax"], row["void_tax"], row["note_tax"],
         row["net_base"], row["net_tax"])
        for row in rows_of("taxes")
    ]  # fmt: skip

    assert found == [
        (10, "NL", 21, 0, 0, 100, 21),
        (11, "NL", Decimal("10.29"), -21, Decimal("-2.10"), -61, Decimal("-12.81")),
    ]


def test_a_payment_that_was_taken_back_says_so_and_leaves_the_customers_credit() -> None:
    acme = make_workspace("Acme")
    payment = pay(make_invoice(acme, amount="100.00"), "100.00", "2026-10-30", over="8")
    for position, (kind, amount, on) in enumerate(
        (("overpayment", 8, "2026-10-30"), ("taken_back", -8, "2026-11-04")), start=1
    ):
        CreditEntry.objects.create(
            workspace=acme, currency="USD", position=position, kind=kind, amount=amount,
            balance=8 if amount > 0 else 0, payment=payment, on=day(on), source="fay",
        )  # fmt: skip
    PaymentReversal.objects.create(
        workspace=acme, payment=payment, reason="Globex's", taken_back_by="fay",
        on=day("2026-11-04"),
    )  # fmt: skip

    def taken_back(as_of: str) -> list[object]:
        return [row["taken_back"] for row in rows_of("payments", as_of=day(as_of))]

    assert taken_back("2026-11-03") == [None]
    assert taken_back("2026-11-04") == [day("2026-11-04")]
    assert [(row["month"].month, row["received"]) for row in rows_of("collections")] == [
        (10, 108),
        (11, -108),
    ]
    [row] = rows_of("customer-credit")
    assert (row["overpaid"], row["balance"]) == (0, 0)
