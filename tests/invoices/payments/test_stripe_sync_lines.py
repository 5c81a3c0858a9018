"""What Stripe is sent for an invoice's lines, to the unit."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice, InvoiceItem
from invoices.payments.services.stripe_sync import params, sync_invoice
from invoices.payments.services.stripe_sync.params import lines_of
from invoices.payments.services.stripe_units import from_stripe_minor, stripe_minor
from invoices.services.closing import finalize_due_periods
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_period, make_workspace
from tests.kit.stripe_side import invoices, lines
from tests.kit.taxes import FRENCH, checked, make_customer, register

OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("61.34", "USD", 6134),
        ("0.01", "EUR", 1),
        ("7421", "JPY", 7421),
        ("18.250", "KWD", 18250),
        ("5000", "UGX", 500000),
        ("6505", "ISK", 650500),
        ("-3.20", "GBP", -320),
    ],
)
def test_amounts_in_the_units_stripe_counts_in(amount: str, currency: str, units: int) -> None:
    assert stripe_minor(Decimal(amount), currency) == units


def item(position: int, amount: str, *, kind: str = "usage", **facts: str) -> InvoiceItem:
    values = {"quantity": "1", "unit_price": amount, "description": f"Line {position}", **facts}
    return InvoiceItem(
        id=UUID(int=position),
        position=position,
        kind=kind,
        description=values["description"],
        resource_type=values.get("resource_type", ""),
        quantity=Decimal(values["quantity"]),
        unit_price=Decimal(values["unit_price"]),
        exact_amount=Decimal(amount),
        net=Decimal(amount),
        amount=Decimal(amount),
    )


def descriptions(currency: str, *items: InvoiceItem) -> list[str]:
    invoice = Invoice(id=UUID(int=1), number="INV-2026-000042", currency=currency)
    return [line.description for line in lines_of(invoice, items)]


def test_quantity_and_price_are_told_in_words() -> None:
    assert descriptions(
        "USD",
        item(1, "49.00", kind="subscription", description="Monthly Subscription"),
        item(2, "9.10", quantity="812.500000", unit_price="0.0112000000"),
        item(3, "3.00", quantity="2.000000", unit_price="1.5000000000"),
        item(4, "0.00", quantity="0.000001", unit_price="0.0000001000"),
        item(5, "-2.50", kind="credit", description="Credit brought forward"),
    ) == [
        "Monthly Subscription",
        "Line 2 (812.5 × 0.0112 USD)",
        "Line 3 (2 × 1.50 USD)",
        "Line 4 (0.000001 × 0.0000001 USD)",
        "Credit brought forward",
    ]
    assert descriptions("JPY", item(1, "300", quantity="2", unit_price="150")) == [
        "Line 1 (2 × 150 JPY)"
    ]


def test_up_to_250_lines_go_one_by_one() -> None:
    invoice = Invoice(id=UUID(int=1), number="INV-2026-000042", currency="USD")
    items = [item(position, "1.00") for position in range(1, 251)]
    assert len(lines_of(invoice, items)) == 250


def test_of_more_the_smallest_usage_is_combined_and_the_total_stays() -> None:
    invoice = Invoice(id=UUID(int=1), number="INV-2026-000042", currency="USD")
    fee = item(1, "0.01", kind="subscription", description="Monthly Subscription")
    usage = [item(position, f"{position}.00") for position in range(2, 260)]
    made = lines_of(invoice, [fee, *usage])
    assert len(made) == 250
    assert made[0].description == "Monthly Subscription"
    other = made[-1]
    assert other.description == "Other usage (10 lines, itemized on INV-2026-000042)"
    assert other.amount_minor == 6500  # 2 + 3 + ... + 11
    assert other.metadata["exact_amount"] == "65"
    assert sum(line.amount_minor for line in made) == 3366901
    assert max(len(value) for line in made for value in line.metadata.values()) <= 500


@pytest.mark.django_db
def test_an_invoice_with_too_many_lines_reaches_stripe_with_its_total(
    stripe_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(params, "MAX_LINES", 4)
    invoice = make_invoice(make_workspace("Acme"), status="draft", amount="49.00")
    InvoiceItem.objects.filter(invoice=invoice, kind="usage").delete()
    for position in range(2, 7):
        line = item(position, f"0.{position}0")
        line.invoice = invoice
        line.save(force_insert=True)
    Invoice.objects.filter(pk=invoice.pk).update(amount="51.00", net="51.00", exact_amount="51.00")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    (found,) = invoices()
    assert found["total"] == 5100
    assert lines(found["id"]) == [
        ("Monthly Subscription", 4900),
        ("Line 5 (1 × 0.50 USD)", 50),
        ("Line 6 (1 × 0.60 USD)", 60),
        ("Other usage (3 lines, itemized on INV-2026-000001)", 90),
    ]


@pytest.mark.parametrize(
    ("units", "currency", "amount"),
    [(6134, "USD", "61.34"), (650500, "ISK", "6505.00"), (20990, "KWD", "20.990"), (5, "JPY", "5")],
)
def test_what_stripe_counts_in_its_units_is_worth(units: int, currency: str, amount: str) -> None:
    assert str(from_stripe_minor(units, currency)) == amount


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("currency", "amount", "units"),
    [("JPY", "7421", 7421), ("KWD", "18.250", 18250), ("ISK", "6505", 650500), ("UGX", "1", 100)],
)
def test_currencies_without_cents_arrive_whole(
    currency: str, amount: str, units: int, stripe_sandbox: SandboxProcess
) -> None:
    invoice = make_invoice(make_workspace("Acme"), status="draft", amount=amount)
    Invoice.objects.filter(pk=invoice.pk).update(currency=currency)
    InvoiceItem.objects.filter(invoice=invoice, kind="usage").delete()
    InvoiceItem.objects.filter(invoice=invoice).update(amount=amount, exact_amount=amount)
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    (found,) = invoices()
    assert (found["total"], found["currency"]) == (units, currency.lower())


@pytest.mark.django_db
def test_tax_goes_to_stripe_as_a_line_of_our_own(stripe_sandbox: SandboxProcess) -> None:
    register()
    acme = make_customer()
    make_period(acme, OCTOBER_5)
    finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk)
    invoice = Invoice.objects.get(workspace=acme)

    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_3).done

    (found,) = invoices()
    assert (found["total"], found["currency"]) == (5831, "eur")
    assert lines(found["id"]) == [("Monthly Subscription", 4900), ("VAT 19% on €49.00", 931)]


@pytest.mark.django_db
def test_what_the_law_wants_to_be_said_stands_on_stripes_page_too(
    stripe_sandbox: SandboxProcess,
) -> None:
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    checked(globex)
    make_period(globex, OCTOBER_5)
    finalize_due_periods(now=NOVEMBER_3, workspace_id=globex.pk)
    invoice = Invoice.objects.get(workspace=globex)

    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_3).done

    (found,) = invoices()
    assert found["total"] == 4900
    assert found["footer"].startswith("Reverse charge")
    assert lines(found["id"]) == [("Monthly Subscription", 4900)]
