"""The totals of an e-invoice, read from its XML alone, as its receiver's software does."""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from lxml import etree

_NAMES = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
_CII = "//ram:ApplicableHeaderTradeSettlement"
_CII_SUMS = f"{_CII}/ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:"
_UBL_SUMS = "/*/cac:LegalMonetaryTotal/cbc:"
# Number, currency, net (BT-109), tax (BT-110), gross (BT-112) and due (BT-115) in both forms.
_PATHS = {
    True: (
        "/*/*/ram:ID",
        f"{_CII}/ram:InvoiceCurrencyCode",
        f"{_CII_SUMS}TaxBasisTotalAmount",
        f"{_CII_SUMS}TaxTotalAmount",
        f"{_CII_SUMS}GrandTotalAmount",
        f"{_CII_SUMS}DuePayableAmount",
    ),
    False: (
        "/*/cbc:ID",
        "/*/cbc:DocumentCurrencyCode",
        f"{_UBL_SUMS}TaxExclusiveAmount",
        "/*/cac:TaxTotal/cbc:TaxAmount",
        f"{_UBL_SUMS}TaxInclusiveAmount",
        f"{_UBL_SUMS}PayableAmount",
    ),
}
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


class Unreadable(Exception):
    """It is no XML of the two forms, or lacks a total."""


class Totals(NamedTuple):
    number: str
    currency: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    due: Decimal


def totals_of(xml: str) -> Totals:
    """What it says in sum. Raises `Unreadable`."""
    try:
        document = etree.fromstring(xml.encode(), _PARSER)
        is_cii = etree.QName(document).localname == "CrossIndustryInvoice"
        number, currency, *amounts = (_text(document, path) for path in _PATHS[is_cii])
        return Totals(number, currency, *map(Decimal, amounts))
    except (etree.XMLSyntaxError, InvalidOperation) as error:
        raise Unreadable(str(error) or "an amount is no number") from error


def _text(document: "etree._Element", path: str) -> str:
    found = document.xpath(path, namespaces=_NAMES)
    if len(found) != 1:
        raise Unreadable(f"{path} is there {len(found)} times")
    return str(found[0].text or "").strip()
