"""What e-invoices say: the invoice's amounts, whatever is on it, by the official rules."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.languages import in_language
from billing.models import BillingPeriod, Workspace
from billing.models import WorkspaceBillingSettings as Terms
from billing.rating import tax_amounts, taxes
from invoices.einvoices.checking import broken_rules
from invoices.einvoices.content import counted_line, credit_note_terms, invoice_terms
from invoices.einvoices.mending import said
from invoices.einvoices.writing import Format, xml_of
from invoices.models import CreditNote, Invoice, InvoiceItem, InvoiceTax
from tests.kit.e_invoices import amounts, proved_by_hand, texts

FORMATS = [Format.FACTURX, Format.XRECHNUNG, Format.PEPPOL]
NOVEMBER_2 = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
PARTIES: dict[str, Any] = {
    "seller": {
        "name": "Voice Platform GmbH",
        "street": "Torstraße 1",
        "postal_code": "10119",
        "city": "Berlin",
        "country": "DE",
        "legal_id": "HRB 123456",
        "vat_number": "DE136695976",
        "tax_id": "",
        "address": "DE136695976",
        "scheme": "9930",
        "contact": "Accounts",
        "phone": "+49 30 1234567",
        "email": "billing@voice.test",
        "iban": "DE75512108001245126199",
        "bic": "SOLADEST600",
        "line2": "",
        "state": "",
        "legal_text": "",
    },
    "buyer": {
        "name": "Acme & Söhne <GmbH>",
        "line1": "1 rue de la Paix",
        "line2": "",
        "postal_code": "75002",
        "city": "Paris",
        "state": "",
        "country": "FR",
        "vat_number": "FR40303265045",
        "legal_id": "",
        "address": "FR40303265045",
        "scheme": "9957",
    },
    "buyer_reference": "04011000-12345-03",
    "order_number": "PO 4711",
}
REGISTRATION = taxes.Registration("1", "DE", "", "DE136695976", is_home=True)
RATES = {"standard": "19", "reduced": "7", "zero": "0"}
CASES = {
    "domestic": taxes.Customer("DE", "", "business", "DE136695976", True),
    "reverse charge": taxes.Customer("FR", "", "business", "FR40303265045", True),
    "export": taxes.Customer("US", "", "business"),
    "exempt": taxes.Customer("DE", "", "exempt", "", None, "Certificate 12"),
}


def item(kind: str, net: str, quantity: str = "1", price: str = "0", **facts: Any) -> InvoiceItem:
    facts = {"description": "Call Minutes", "resource_type": "call_minutes", **facts}
    return InvoiceItem(
        kind=kind,
        net=Decimal(net),
        amount=Decimal(net),
        quantity=Decimal(quantity),
        unit_price=Decimal(price),
        **facts,
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # A unit price that comes to the net by itself: 812.5 x 0.0112 = 9.10.
        (item("usage", "9.10", "812.5", "0.0112"), ("812.5", "MIN", "0.0112", None)),
        # An average that does not: 9.11 for 812.5.
        (item("usage", "9.11", "812.5", "0.0112"), ("812.5", "MIN", "9.11", "812.5")),
        # Late usage counts itself once.
        (item("late_usage", "3.20", "1", "3.2"), ("1", "C62", "3.20", None)),
        # More given back than used: a price is never below zero.
        (item("usage", "-2.00", "-10", "0.2"), ("-10", "MIN", "0.2", None)),
        (item("usage", "-2.01", "-10", "0.2"), ("-10", "MIN", "2.01", "10")),
        (item("usage", "-2.00", "10", "-0.2"), ("-1", "C62", "2.00", None)),
        (item("usage", "0.00", "100", "0"), ("100", "MIN", "0", None)),
        (item("usage", "5.00", "0", "0"), ("1", "C62", "5.00", None)),
        (
            item("subscription", "49.00", "1", "49", description="Monthly Subscription"),
            ("1", "MON", "49", None),
        ),
        (item("usage", "7.00", "3", "2.333", resource_type="storage"), ("3", "E34", "2.333", None)),
        (item("usage", "7.00", "3", "2", resource_type="synthesis"), ("3", "C62", "7.00", "3")),
    ],
)
def test_a_lines_quantity_times_price_is_its_net(
    line: InvoiceItem, expected: tuple[str, str, str, str | None]
) -> None:
    counted = counted_line(line)
    base = None if counted.base is None else f"{counted.base:f}"
    shown = (f"{counted.quantity:f}", counted.unit, f"{counted.price:f}", base)
    assert shown == expected
    product = counted.quantity * counted.price / (counted.base or 1)
    assert product.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP) == line.net


def invoice_of(
    lines: list[tuple[str, str, str, str]],
    case: str | None = "domestic",
    *,
    inclusive: bool = False,
    currency: str = "EUR",
    **facts: Any,
) -> tuple[Invoice, list[InvoiceItem], list[InvoiceTax]]:
    """An invoice of October over lines of (kind, amount, quantity, tax class), not saved."""
    workspace = Workspace(name="Acme", timezone="Europe/Berlin", currency=currency)
    workspace.billing_settings = Terms()
    period = BillingPeriod(
        workspace=workspace,
        period_start=dt.datetime(2026, 9, 30, 22, tzinfo=dt.UTC),
        period_end=dt.datetime(2026, 10, 31, 23, tzinfo=dt.UTC),
    )
    parts = [(Decimal(amount), tax_class) for _, amount, _, tax_class in lines]
    taxed = None
    if case is not None:
        decision = taxes.decide([REGISTRATION], CASES[case])
        assert decision is not None
        taxed = tax_amounts.apply(
            decision,
            parts,
            rate_of=lambda country, region, name: tax_amounts.TaxRateInForce(
                "1", Decimal(RATES[name]), "VAT"
            ),
            currency=currency,
            prices_include_tax=inclusive,
        )
    sum_ = sum((amount for amount, _ in parts), Decimal(0))
    invoice = Invoice(
        workspace=workspace,
        number="INV-2026-000042",
        currency=currency,
        net=taxed.net if taxed else sum_,
        tax=taxed.tax if taxed else Decimal(0),
        amount=taxed.gross if taxed else sum_,
        prices_include_tax=inclusive,
        collection_method="send_invoice",
        issued_at=NOVEMBER_2,
        due_date=dt.date(2026, 11, 16),
        **{"billing_period": period, **facts},
    )
    items = []
    for place, (kind, amount, quantity, _) in enumerate(lines):
        net = taxed.nets[place] if taxed else Decimal(amount)
        count = Decimal(quantity)
        price = (Decimal(amount) / count).quantize(Decimal("1E-10")) if count else Decimal(0)
        line = item(kind, str(net), quantity, str(price))
        if taxed:
            line.tax_category = taxed.categories[place].code
            line.tax_rate = taxed.categories[place].rate
        items.append(line)
    rows = [
        InvoiceTax(
            category=group.category.code,
            rate=group.category.rate,
            base=group.base,
            tax=group.tax,
            text=group.text,
            reason_code=group.reason_code,
        )
        for group in (taxed.groups if taxed else [])
    ]
    return invoice, items, rows


def parties_for(case: str | None, **changes: Any) -> dict[str, Any]:
    """Who has no tax to do with names no number of it; whoever is not in the EU neither."""
    seller, buyer = dict(PARTIES["seller"]), dict(PARTIES["buyer"])
    if case is None:
        seller["vat_number"] = buyer["vat_number"] = ""
    elif case != "reverse charge":
        buyer["vat_number"] = ""
    return {**PARTIES, "seller": seller, "buyer": buyer, **changes}


def assert_valid(wanted: Format, terms: dict[str, Any]) -> str:
    xml = xml_of(wanted, terms)
    assert broken_rules(wanted, xml) == []
    return xml


MIXED = [
    ("subscription", "49.00", "1", "standard"),
    ("usage", "12.34", "812.5", "standard"),
    ("usage", "-0.50", "-3", "reduced"),
    ("manual", "20.00", "1", "exempt"),
    ("discount", "-5.00", "1", "standard"),
    ("credit", "-1.00", "1", "standard"),
]


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("case", [*CASES, None])
def test_every_way_of_taxing_keeps_the_rules(wanted: Format, case: str | None) -> None:
    invoice, items, rows = invoice_of(MIXED, case)
    terms = invoice_terms(invoice, items, rows, parties_for(case))
    found = proved_by_hand(assert_valid(wanted, terms))
    assert (found["net"], found["tax"], found["total"]) == (
        invoice.net,
        invoice.tax,
        invoice.amount,
    )


@pytest.mark.parametrize("wanted", FORMATS)
def test_a_discount_of_nothing_may_be_all_that_a_tax_rate_has(wanted: Format) -> None:
    drawn = [("subscription", "49.00", "1", "standard"), ("discount", "0", "1", "reduced")]
    invoice, items, rows = invoice_of(drawn, "domestic")
    terms = invoice_terms(invoice, items, rows, parties_for("domestic"))
    found = proved_by_hand(assert_valid(wanted, terms))
    assert sorted(found["bases"]) == [Decimal(0), Decimal(49)]


LINES = st.lists(
    st.tuples(
        st.sampled_from(["usage", "late_usage", "add_on", "commitment", "discount", "manual"]),
        st.integers(-50_000, 500_000),
        st.integers(-(10**9), 10**12),
        st.sampled_from(["standard", "reduced", "zero", "exempt"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=LINES,
    case=st.sampled_from([*CASES, None]),
    inclusive=st.booleans(),
    wanted=st.sampled_from(FORMATS),
    currency=st.sampled_from(["EUR", "USD", "JPY"]),
)
def test_whatever_is_billed_the_xml_says_it_to_the_cent(
    lines: Any, case: str | None, inclusive: bool, wanted: Format, currency: str
) -> None:
    scale = Decimal(1) if currency == "JPY" else Decimal("0.01")
    drawn = [
        (kind, str(amount * scale), str(Decimal(count).scaleb(-6)), tax_class)
        for kind, amount, count, tax_class in lines
    ]
    # What is billed is above zero.
    drawn.append(("subscription", str(1_000_000 * scale), "1", "standard"))
    invoice, items, rows = invoice_of(drawn, case, inclusive=inclusive, currency=currency)
    terms = invoice_terms(invoice, items, rows, parties_for(case))
    xml = assert_valid(wanted, terms)
    found = proved_by_hand(xml)
    assert (found["net"], found["tax"], found["total"]) == (
        invoice.net,
        invoice.tax,
        invoice.amount,
    )
    assert found["bases"] == [row.base for row in rows] or case is None
    assert xml_of(wanted, terms) == xml


@pytest.mark.parametrize(
    ("collected", "lacks", "means", "account", "said"),
    [
        ("charge_automatically", False, "68", None, "There is nothing to do."),
        (
            "charge_automatically",
            True,
            "58",
            "DE75512108001245126199",
            "nothing is charged yet. Pl",
        ),
        ("send_invoice", False, "58", "DE75512108001245126199", "Please pay by"),
    ],
)
def test_who_is_not_charged_is_told_where_to_pay(
    collected: str, lacks: bool, means: str, account: str | None, said: str
) -> None:
    invoice, items, rows = invoice_of(MIXED)
    invoice.collection_method = collected
    parties = {**parties_for("domestic"), "lacks_payment_method": lacks}
    terms = invoice_terms(invoice, items, rows, parties)
    assert (terms["BT-81"], terms.get("BT-84")) == (means, account)
    assert said in terms["BT-20"]
    assert broken_rules(Format.FACTURX, xml_of(Format.FACTURX, terms)) == []


def test_a_correction_names_the_invoice_it_corrects() -> None:
    first, _, _ = invoice_of(MIXED)
    invoice, items, rows = invoice_of(
        [("manual", "20.00", "1", "standard")], billing_period=None, kind="correction"
    )
    invoice.corrects = first
    invoice.number = "INV-2026-000043"
    xml = assert_valid(Format.XRECHNUNG, invoice_terms(invoice, items, rows, parties_for("x")))
    assert texts(xml, "//cac:InvoiceDocumentReference/cbc:ID") == ["INV-2026-000042"]
    assert texts(xml, "//cac:InvoiceDocumentReference/cbc:IssueDate") == ["2026-11-02"]
    assert texts(xml, "//cac:InvoicePeriod/cbc:StartDate") == ["2026-10-01"]


def test_its_own_words_are_in_the_language_of_the_document() -> None:
    void, _, _ = invoice_of(MIXED)
    invoice, items, rows = invoice_of(MIXED, None, replaces=void)
    with in_language("de"):
        xml = assert_valid(Format.XRECHNUNG, invoice_terms(invoice, items, rows, parties_for(None)))
    assert "Ersetzt: INV-2026-000042" in xml
    assert texts(xml, "//cac:TaxSubtotal//cbc:TaxExemptionReason") == [
        "Unterliegt nicht der Umsatzsteuer."
    ]


@pytest.mark.parametrize("wanted", FORMATS)
def test_a_credit_note_is_above_zero_and_names_its_invoice(wanted: Format) -> None:
    invoice, items, rows = invoice_of(MIXED)
    note = CreditNote(
        workspace=invoice.workspace,
        invoice=invoice,
        number="INV-CN-2026-000001",
        issued_at=NOVEMBER_2,
        currency="EUR",
        explanation="Dropped calls",
        net=Decimal("10.00"),
        tax=Decimal("1.90"),
        total=Decimal("11.90"),
        to_open=Decimal("11.90"),
    )
    line: Any = SimpleNamespace(item=items[1], net=Decimal("10.00"))
    tax: Any = SimpleNamespace(
        category="S", rate=Decimal(19), base=Decimal("10.00"), tax=Decimal("1.90")
    )
    terms = credit_note_terms(note, [line], [tax], rows, parties_for("domestic"))
    xml = assert_valid(wanted, terms)
    found = amounts(xml)
    assert (found["net"], found["tax"], found["total"]) == (
        Decimal("10.00"),
        Decimal("1.90"),
        Decimal("11.90"),
    )
    assert "INV-2026-000042" in xml


@pytest.mark.parametrize(
    ("wanted", "where", "field", "rule"),
    [
        (Format.XRECHNUNG, "", "buyer_reference", "BR-DE-15"),
        (Format.XRECHNUNG, "seller", "phone", "BR-DE-6"),
        (Format.XRECHNUNG, "seller", "contact", "BR-DE-5"),
        (Format.XRECHNUNG, "seller", "city", "BR-DE-3"),
        (Format.XRECHNUNG, "seller", "postal_code", "BR-DE-4"),
        (Format.XRECHNUNG, "buyer", "city", "BR-DE-8"),
        (Format.XRECHNUNG, "buyer", "postal_code", "BR-DE-9"),
        (Format.XRECHNUNG, "buyer", "address", "PEPPOL-EN16931-R010"),
        (Format.PEPPOL, "seller", "address", "PEPPOL-EN16931-R020"),
        (Format.FACTURX, "buyer", "country", "BR-11"),
        (Format.FACTURX, "seller", "country", "BR-09"),
        (Format.XRECHNUNG, "seller", "country", "BR-08"),
        (Format.XRECHNUNG, "buyer", "country", "BR-10"),
    ],
)
def test_what_is_missing_is_told_by_its_rule_with_what_to_mend(
    wanted: Format, where: str, field: str, rule: str
) -> None:
    parties = parties_for("domestic")
    (parties[where] if where else parties)[field] = ""
    invoice, items, rows = invoice_of(MIXED)
    broken = broken_rules(wanted, xml_of(wanted, invoice_terms(invoice, items, rows, parties)))
    assert rule in [each.rule for each in broken]
    assert "Mend" in said([each for each in broken if each.rule == rule])


def test_amounts_that_do_not_add_up_are_found() -> None:
    invoice, items, rows = invoice_of(MIXED)
    invoice.net += 1
    xml = xml_of(Format.FACTURX, invoice_terms(invoice, items, rows, parties_for("domestic")))
    assert {"BR-CO-13", "BR-CO-15"} <= {each.rule for each in broken_rules(Format.FACTURX, xml)}
