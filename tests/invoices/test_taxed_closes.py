"""Months that are closed with tax: what is charged, what is frozen, and what waits."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from billing.models import BillingPeriod
from billing.services.workspaces import update_billing_settings, update_workspace
from billing.taxes import TaxReader
from invoices.models import Invoice, InvoiceTax, TaxDecision
from invoices.pdf import render_invoice
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from invoices.services.manual_items import add_manual_item
from invoices.services.manual_lines import ManualLine
from invoices.services.reissuing import reissue_invoice
from tests.kit.by_force import by_force
from tests.kit.personas import MADE_AT, make_period
from tests.kit.taxes import AUSTRIAN, FRENCH, checked, make_customer, register
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)


def closed(workspace):
    """Its October, with 12.336 of usage and a fee of 49.00."""
    make_period(workspace, OCTOBER_5)
    make_usage(workspace, OCTOBER_5, "1", "10.28")
    summary = finalize_due_periods(now=NOVEMBER_3, workspace_id=workspace.pk)
    assert summary.failed == []
    return Invoice.objects.get(workspace=workspace)


def amounts(invoice):
    return tuple(f"{amount:.2f}" for amount in (invoice.net, invoice.tax, invoice.amount))


def taxes(invoice):
    return [
        (tax.category, f"{tax.rate.normalize():f}", f"{tax.base:.2f}", f"{tax.tax:.2f}")
        for tax in invoice.taxes.all()
    ]


def test_without_a_registration_nothing_is_taxed():
    invoice = closed(make_customer())

    assert amounts(invoice) == ("61.34", "0.00", "61.34")
    assert not invoice.taxes.exists()
    assert not TaxDecision.objects.exists()


def test_a_customer_at_home_is_charged_the_tax_of_its_country():
    register()
    invoice = closed(make_customer())

    assert amounts(invoice) == ("61.34", "11.65", "72.99")
    assert taxes(invoice) == [("S", "19", "61.34", "11.65")]
    decision = invoice.tax_decision
    assert (decision.treatment, decision.supplier_tax_number) == ("taxed", "DE136695976")
    assert decision.evidence["day"] == "2026-10-31"
    assert [(f"{item.net:.2f}", item.tax_category) for item in invoice.items.all()] == [
        ("49.00", "S"),
        ("12.34", "S"),
    ]
    assert close_differences() == []


def test_a_month_may_give_tax_back():
    """A fee of 49.00 less 60.00 are -11.00 and tax of -2.09; with 20.00 that are exempt, 6.91."""
    register()
    acme = make_customer()
    make_period(acme, OCTOBER_5)
    lines = [
        ManualLine("charge", "Stamp", Decimal(20), "exempt"),
        ManualLine("credit", "Sorry", Decimal(60)),
    ]
    for line in lines:
        add_manual_item(
            workspace_id=acme.pk, line=line, reason="Ticket 4711", asked_by="ann", now=OCTOBER_5
        )
    assert finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk).failed == []

    invoice = Invoice.objects.get(workspace=acme)
    assert amounts(invoice) == ("9.00", "-2.09", "6.91")
    assert taxes(invoice) == [("S", "19", "-11.00", "-2.09"), ("E", "0", "20.00", "0.00")]
    assert close_differences() == []
    assert render_invoice(invoice).startswith(b"%PDF")


def test_a_business_abroad_with_a_valid_number_accounts_for_it_itself():
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    checked(globex)
    invoice = closed(globex)

    assert amounts(invoice) == ("61.34", "0.00", "61.34")
    assert taxes(invoice) == [("AE", "0", "61.34", "0.00")]
    tax = invoice.taxes.get()
    assert (tax.reason_code, tax.text[:14]) == ("VATEX-EU-AE", "Reverse charge")
    check = invoice.tax_decision.evidence["number_check"]
    assert (check["valid"], check["reference"]) == (True, "WAPIAAAAYmFzZQ")
    assert close_differences() == []


def test_where_no_register_is_asked_the_decision_says_so(settings):
    settings.VIES_URL = ""
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)

    decision = closed(globex).tax_decision

    assert decision.treatment == "reverse_charge"
    assert decision.why == (
        "a business in FR accounts for the tax; only the form and check digits of its number were"
        " tested: the register (VIES) is not asked"
    )
    assert decision.evidence["number_check"] == {
        "number": FRENCH,
        "valid": True,
        "source": "form",
    }


def test_a_number_that_is_not_valid_is_charged_as_none():
    register()
    globex = make_customer("Globex", country="FR", tax_id=FRENCH)
    checked(globex, valid=False)

    assert amounts(closed(globex)) == ("61.34", "11.65", "72.99")


def test_a_number_nobody_has_answered_for_holds_up_its_own_invoice_alone():
    register()
    acme, globex = make_customer(), make_customer("Globex", country="FR", tax_id=FRENCH)
    for workspace in (acme, globex):
        make_period(workspace, OCTOBER_5)

    summary = finalize_due_periods(now=NOVEMBER_3)

    assert summary.finalized >= 1
    assert [failure.workspace_id for failure in summary.failed] == [globex.pk]
    waits = BillingPeriod.objects.get(workspace=globex, status="current", close_error__gt="")
    assert "has not been checked yet" in waits.close_error
    assert Invoice.objects.filter(workspace=acme).exists()


def test_a_customer_without_a_country_waits_for_one():
    register()
    acme = make_customer(country="")
    make_period(acme, OCTOBER_5)

    (failure,) = finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk).failed
    assert "no billing country" in failure.reason

    update_workspace(workspace_id=acme.pk, changes={"address_country": "DE"}, now=NOVEMBER_3)
    assert finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk).failed == []


def test_one_that_owes_nothing_waits_for_nothing():
    register()
    acme = make_customer(country="")
    update_workspace(workspace_id=acme.pk, changes={"tier": "free"}, now=MADE_AT)
    make_period(acme, OCTOBER_5)

    assert finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk).failed == []


def test_prices_that_include_the_tax_are_what_is_paid():
    register()
    acme = make_customer()
    update_billing_settings(workspace_id=acme.pk, changes={"prices_include_tax": True}, now=MADE_AT)
    invoice = closed(acme)

    assert amounts(invoice) == ("51.55", "9.79", "61.34")
    assert invoice.residual == Decimal("61.34") - Decimal("61.336")
    assert sum(item.amount for item in invoice.items.all()) == invoice.amount
    assert sum(item.net for item in invoice.items.all()) == invoice.net
    assert close_differences() == []


def test_yen_have_no_parts():
    register()
    acme = make_customer(currency="JPY")
    invoice = closed(acme)

    assert invoice.net == 7012
    assert invoice.tax == 1332


def test_a_rate_that_changes_holds_from_its_day():
    register("EE", "EE100594102")
    acme = make_customer(country="EE")
    assert taxes(closed(acme)) == [("S", "24", "61.34", "14.72")]


def test_a_replacement_is_taxed_by_what_is_known_of_the_customer_now():
    register()
    globex = make_customer("Globex", country="AT")
    void = closed(globex)
    assert amounts(void) == ("61.34", "11.65", "72.99")

    update_workspace(workspace_id=globex.pk, changes={"tax_id": AUSTRIAN}, now=NOVEMBER_3)
    globex.refresh_from_db()
    checked(globex)
    Invoice.objects.filter(pk=void.pk).update(status="void", voided_at=NOVEMBER_3)
    anew = reissue_invoice(invoice_id=void.pk, now=NOVEMBER_3, source="finance")

    assert amounts(anew) == ("61.34", "0.00", "61.34")
    assert anew.tax_decision.treatment == "reverse_charge"
    assert close_differences() == []


def test_what_was_taxed_is_frozen_and_follows_from_its_base():
    register()
    invoice = closed(make_customer())

    for change in (
        lambda: InvoiceTax.objects.update(tax=1),
        lambda: TaxDecision.objects.update(why="no reason"),
    ):
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            change()
    with pytest.raises(IntegrityError, match="invoice_amount_is_net_and_tax"), transaction.atomic():
        Invoice.objects.update(tax=0)
    with (
        pytest.raises(IntegrityError, match="invoice_tax_follows_from_its_base"),
        transaction.atomic(),
    ):
        InvoiceTax.objects.create(
            invoice=invoice,
            position=2,
            category="S",
            rate=7,
            name="VAT",
            country="DE",
            currency="EUR",
            base=100,
            tax=Decimal("7.01"),
        )


def test_a_tax_that_does_not_fit_its_lines_is_found():
    register()
    invoice = closed(make_customer())
    by_force("UPDATE invoices_invoicetax SET base = 61.30, tax = 11.65")

    found = [str(each.detail) for each in close_differences()]

    assert len(found) == 2
    assert invoice.number in found[0]
    assert "its taxes to 11.650 on 61.300" in found[0]
    assert "takes VAT 19.0000 % on 61.300, its items of that rate come to 61.340" in found[1]


@pytest.mark.parametrize(
    ("province", "day", "name", "percent"),
    [
        ("Ontario", "2026-10-31", "HST", "13"),
        ("CA-NS", "2025-03-31", "HST", "15"),
        ("ns", "2025-04-01", "HST", "14"),
        ("Québec", "2026-10-31", "GST", "5"),
    ],
)
def test_a_province_has_its_own_rate_or_that_of_canada(
    province: str, day: str, name: str, percent: str
) -> None:
    register("CA", "123456789 RT0001")
    rate = TaxReader([]).rate("CA", province, "standard", dt.date.fromisoformat(day))
    assert rate is not None
    assert (rate.name, rate.percent) == (name, Decimal(percent))
