"""What a person changes so that a broken rule of an e-invoice holds."""

from collections.abc import Sequence

from invoices.einvoices.checking import Broken

_ISSUER = "the issuing entity's {}"
_CUSTOMER = "the customer's {}"
_MEND = {
    "BR-08": _ISSUER.format("address (a customer needs an issuing entity for e-invoices)"),
    "BR-09": _ISSUER.format("country (a customer needs an issuing entity for e-invoices)"),
    "BR-10": _CUSTOMER.format("country, city and street"),
    "BR-11": _CUSTOMER.format("country"),
    "BR-62": _ISSUER.format("scheme of the electronic address"),
    "BR-63": _CUSTOMER.format("scheme of the electronic address"),
    "BR-CL-25": "the schemes of the electronic addresses, the customer's and the issuer's",
    "BR-CO-09": "the tax numbers: each begins with its country's letters",
    "BR-CO-26": _ISSUER.format("register entry, which one without a VAT number names"),
    "BR-AE-02": _CUSTOMER.format("VAT number"),
    "BR-DE-2": _ISSUER.format("contact name, phone and e-mail"),
    "BR-DE-3": _ISSUER.format("city"),
    "BR-DE-4": _ISSUER.format("postal code"),
    "BR-DE-5": _ISSUER.format("contact name"),
    "BR-DE-6": _ISSUER.format("phone"),
    "BR-DE-7": _ISSUER.format("e-mail"),
    "BR-DE-8": _CUSTOMER.format("city"),
    "BR-DE-9": _CUSTOMER.format("postal code"),
    "BR-DE-15": _CUSTOMER.format("buyer reference (Leitweg-ID)"),
    "BR-DE-16": "the issuer's tax registration: XRechnung wants its number",
    "BR-DE-19": _ISSUER.format("bank account"),
    "BR-DE-27": _ISSUER.format("phone: at least three digits"),
    "BR-DE-28": _ISSUER.format("e-mail"),
    "PEPPOL-EN16931-R003": _CUSTOMER.format("buyer reference or order number"),
    "PEPPOL-EN16931-R010": _CUSTOMER.format("electronic address"),
    "PEPPOL-EN16931-R020": _ISSUER.format("electronic address"),
}
_SHOWN = 4


def said(broken: Sequence[Broken]) -> str:
    """The broken rules in words: name, what it says, and what to mend where that is known."""
    seen = list({each.rule: each for each in broken}.values())
    parts = [_sentence(each) for each in seen[:_SHOWN]]
    if len(seen) > _SHOWN:
        parts.append(f"And {len(seen) - _SHOWN} more.")
    return " ".join(parts)


def _sentence(broken: Broken) -> str:
    text = broken.text.removeprefix(f"[{broken.rule}]").lstrip("-: ").rstrip(".")
    mend = _MEND.get(broken.rule)
    return f"{broken.rule}: {text}." + (f" Mend {mend}." if mend else "")
