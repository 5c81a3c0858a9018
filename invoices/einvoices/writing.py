"""The XML of an e-invoice: factur-x writes it from the terms of EN 16931, the same ones the same.

What is missing is left out of it: `invoices.einvoices.checking` says so, by the rule's name.
"""

import copy

from facturx.generate_xml import generate_xml

from billing.models import Workspace
from invoices.einvoices.terms import Terms

Format = Workspace.EInvoiceFormat
_EN16931 = "urn:cen.eu:en16931:2017"
# Which rules beyond EN 16931 a UBL document says it keeps.
_KEEPS = {
    Format.XRECHNUNG: f"{_EN16931}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
    Format.PEPPOL: f"{_EN16931}#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
}


def xml_of(wanted: Format, terms: Terms) -> str:
    """`terms` as CII or UBL, by the format."""
    # The library writes into what it is given.
    given = copy.deepcopy(terms)
    flavor = "factur-x" if wanted == Format.FACTURX else "ubl-2.1"
    written: bytes = generate_xml(
        given, flavor, level="en16931", check_xsd=False, check_schematron=None
    )
    text = written.decode()
    if wanted in _KEEPS:
        text = text.replace(f">{_EN16931}<", f">{_KEEPS[wanted]}<", 1)
    return text
