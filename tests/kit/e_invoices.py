"""E-invoices read by other means than they are written with, and documents that have them."""

import datetime as dt
from decimal import Decimal
from typing import Any

from lxml import etree

from billing.models import BillingPeriod, IssuerBankAccount, IssuingEntity, Workspace
from invoices.models import CreditNote, Invoice
from invoices.payments.services.credit_notes import credit_invoice
from invoices.services.closing import finalize_due_periods
from tests.kit.personas import make_period
from tests.kit.taxes import register
from tests.kit.usage import make_usage

OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)

_NAMES = {
    "ubl": "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
    "cn": "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
# A German customer's details that XRechnung can do with.
GERMAN_DETAILS: dict[str, Any] = {
    "address_line1": "Hauptstraße 12",
    "address_postal_code": "10827",
    "address_city": "Berlin",
    "buyer_reference": "04011000-12345-03",
    "e_invoice_format": "xrechnung",
    "issuing_entity": "DE",
}


def german_issuer(*, registered: bool = True) -> IssuingEntity:
    """A company in Berlin that may send e-invoices, registered for tax there."""
    entity = IssuingEntity.objects.create(
        code="DE",
        series="INV-DE",
        name="Voice Platform GmbH",
        address_line1="Torstraße 1",
        address_postal_code="10119",
        address_city="Berlin",
        address_country="DE",
        register="HRB 123456",
        contact_name="Accounts",
        phone="+49 30 1234567",
        email="billing@voice.test",
        electronic_address="DE136695976",
        electronic_address_scheme="9930",
    )
    IssuerBankAccount.objects.create(
        entity=entity, currency="EUR", iban="DE75512108001245126199", bic="SOLADEST600"
    )
    if registered:
        register(issuing_entity=entity)
    return entity


def used_in_october(workspace: Workspace) -> BillingPeriod:
    period = make_period(workspace, OCTOBER_5)
    make_usage(workspace, OCTOBER_5, "1", "10.28")
    return period


def closed_october(workspace: Workspace) -> Invoice:
    """Of 12.336 of usage and a fee of 49.00."""
    used_in_october(workspace)
    summary = finalize_due_periods(now=NOVEMBER_3, workspace_id=workspace.pk)
    assert summary.failed == []
    return Invoice.objects.get(workspace=workspace)


def credited(invoice: Invoice, total: str = "20.00") -> CreditNote:
    Invoice.objects.update(status="open")
    return credit_invoice(
        invoice_id=invoice.pk,
        total=Decimal(total),
        reason="goodwill",
        explanation="Sorry for the noise",
        rest_to="credit",
        drafted_by="ann",
        now=NOVEMBER_3,
    )


def texts(xml: str, path: str) -> list[str]:
    """The texts at an XPath, with the usual prefixes."""
    found = etree.fromstring(xml.encode()).xpath(path, namespaces=_NAMES)
    return [str(each if isinstance(each, str) else each.text) for each in found]


def amounts(xml: str) -> dict[str, Any]:
    """Its totals, its tax by category and rate, and its lines and allowances."""
    return _of_cii(xml) if "CrossIndustryInvoice" in xml else _of_ubl(xml)


def _of_ubl(xml: str) -> dict[str, Any]:
    total = "//cac:LegalMonetaryTotal/cbc:"
    line = "(//cac:InvoiceLine|//cac:CreditNoteLine)"
    quantity = "/cbc:InvoicedQuantity|//cac:CreditNoteLine/cbc:CreditedQuantity"
    return _amounts(
        xml,
        lines=f"{total}LineExtensionAmount",
        allowances=f"{total}AllowanceTotalAmount",
        net=f"{total}TaxExclusiveAmount",
        tax="/*/cac:TaxTotal/cbc:TaxAmount",
        total=f"{total}TaxInclusiveAmount",
        due=f"{total}PayableAmount",
        bases="//cac:TaxSubtotal/cbc:TaxableAmount",
        taxes="//cac:TaxSubtotal/cbc:TaxAmount",
        line_nets=f"{line}/cbc:LineExtensionAmount",
        allowance_amounts="/*/cac:AllowanceCharge/cbc:Amount",
        quantities=f"//cac:InvoiceLine{quantity}",
        prices=f"{line}/cac:Price/cbc:PriceAmount",
        price_bases=[f"{line}[{{}}]/cac:Price/cbc:BaseQuantity"],
    )


def _of_cii(xml: str) -> dict[str, Any]:
    total = "//ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:"
    group = "//ram:ApplicableHeaderTradeSettlement/ram:ApplicableTradeTax/ram:"
    line = "(//ram:IncludedSupplyChainTradeLineItem)"
    price = "/ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:"
    return _amounts(
        xml,
        lines=f"{total}LineTotalAmount",
        allowances=f"{total}AllowanceTotalAmount",
        net=f"{total}TaxBasisTotalAmount",
        tax=f"{total}TaxTotalAmount",
        total=f"{total}GrandTotalAmount",
        due=f"{total}DuePayableAmount",
        bases=f"{group}BasisAmount",
        taxes=f"{group}CalculatedAmount",
        line_nets=f"{line}//ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount",
        allowance_amounts="//ram:ApplicableHeaderTradeSettlement"
        "/ram:SpecifiedTradeAllowanceCharge/ram:ActualAmount",
        quantities=f"{line}//ram:BilledQuantity",
        prices=f"{line}{price}ChargeAmount",
        price_bases=[f"{line}[{{}}]{price}BasisQuantity"],
    )


def _amounts(xml: str, *, price_bases: list[str], **paths: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: [Decimal(text) for text in texts(xml, path)] for name, path in paths.items()
    }
    for name in ("lines", "allowances", "net", "tax", "total", "due"):
        found[name] = found[name][0] if found[name] else Decimal(0)
    found["price_bases"] = [
        Decimal((texts(xml, price_bases[0].format(place)) or ["1"])[0])
        for place in range(1, len(found["line_nets"]) + 1)
    ]
    return found


def proved_by_hand(xml: str) -> dict[str, Any]:
    """Its amounts, after every sum that the standard asks for was done again here."""
    found = amounts(xml)
    cent = Decimal("0.01")
    assert sum(found["line_nets"]) == found["lines"]
    assert sum(found["allowance_amounts"]) == found["allowances"]
    assert found["lines"] - found["allowances"] == found["net"] == sum(found["bases"])
    assert found["tax"] == sum(found["taxes"])
    assert found["net"] + found["tax"] == found["total"] == found["due"]
    for net, quantity, price, base in zip(
        found["line_nets"],
        found["quantities"],
        found["prices"],
        found["price_bases"],
        strict=True,
    ):
        assert price >= 0
        assert base > 0
        assert abs((quantity * price / base).quantize(cent) - net) < cent, (net, quantity, price)
    return found
