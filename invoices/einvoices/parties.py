"""Seller and buyer of an e-invoice as they are now, in plain texts to be kept with the document."""

import re
from typing import Any

from billing.e_invoices import E_MAIL, electronic_address
from billing.issuers import Issuer
from billing.models import Workspace
from billing.taxnumbers import COUNTRIES, vat_number
from invoices.models import TaxDecision

Parties = dict[str, Any]


def parties_of(
    workspace: Workspace,
    issuer: Issuer,
    decision: TaxDecision | None,
    *,
    lacks_payment_method: bool,
) -> Parties:
    """What a document of the issuer to the workspace says of both, were it issued now.

    `lacks_payment_method`: nothing is on file that could be charged for it.
    """
    return {
        "seller": _seller(issuer, workspace.currency, decision),
        "buyer": _buyer(workspace, decision),
        "buyer_reference": workspace.buyer_reference,
        "order_number": workspace.order_number,
        "lacks_payment_method": lacks_payment_method,
    }


def _seller(issuer: Issuer, currency: str, decision: TaxDecision | None) -> dict[str, str]:
    account = issuer.bank_account(currency)
    return {
        "name": issuer.name,
        # The settings' one has its address in one text, which an e-invoice cannot name.
        "street": issuer.address_line1 if issuer.address_country else "",
        "line2": issuer.address_line2,
        "postal_code": issuer.address_postal_code,
        "city": issuer.address_city,
        "state": issuer.address_state,
        "country": issuer.address_country,
        "legal_id": issuer.register,
        "vat_number": _with_country(decision.supplier_tax_number, decision.supplier_country)
        if decision
        else "",
        # Of an issuer that charges no tax; a registration's number says more.
        "tax_id": "" if decision else issuer.tax_number or issuer.tax_id,
        "address": issuer.electronic_address or issuer.email,
        "scheme": issuer.electronic_address_scheme if issuer.electronic_address else E_MAIL,
        "contact": issuer.contact_name,
        "phone": issuer.phone,
        "email": issuer.email,
        "iban": account.iban if account else "",
        "bic": account.bic if account else "",
        "legal_text": issuer.legal_text,
    }


def _buyer(workspace: Workspace, decision: TaxDecision | None) -> dict[str, str]:
    address, scheme = electronic_address(workspace)
    # Who is not subject to VAT names no number of it (BR-O-02).
    vat = vat_number(workspace.tax_id, country=workspace.address_country) if decision else ""
    return {
        "name": workspace.billing_name or workspace.name,
        "line1": workspace.address_line1,
        "line2": workspace.address_line2,
        "postal_code": workspace.address_postal_code,
        "city": workspace.address_city,
        "state": workspace.address_state,
        "country": workspace.address_country,
        "vat_number": vat,
        "legal_id": "" if vat else workspace.tax_id,
        "address": address,
        "scheme": scheme,
    }


def _with_country(number: str, country: str) -> str:
    """A VAT number as EN 16931 wants it: without blanks, the country in front (BR-CO-09)."""
    compact = re.sub(r"[^0-9A-Za-z]", "", number).upper()
    has_one = compact[:2] in (*COUNTRIES, "EL", "XI")
    return compact if has_one else f"{country}{compact}"
