"""What a customer's e-invoices need of its details, checked when they are given.

A wrong routing number is found by nobody until the invoice comes back: what has check digits is
checked by them here, and what a format cannot do without is said at once.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _
from stdnum import ean
from stdnum.be import vat as be_vat
from stdnum.fr import siren, siret
from stdnum.iso7064 import mod_97_10
from stdnum.no import orgnr

from billing.errors import Invalid
from billing.models import IssuingEntity, Workspace

Format = Workspace.EInvoiceFormat
E_MAIL = "EM"
LEITWEG = "0204"
# Schemes of electronic addresses (EAS) that Peppol knows, and e-mail, by which XRechnung goes too.
SCHEMES = frozenset(
    """
    0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0147 0151 0154 0158 0170 0177 0183
    0184 0188 0190 0191 0192 0193 0194 0195 0196 0198 0199 0200 0201 0202 0203 0204 0205 0208 0209
    0210 0211 0212 0213 0215 0216 0217 0218 0221 0225 0230 0235 0240 9910 9913 9914 9915 9918 9919
    9920 9922 9923 9924 9925 9926 9927 9928 9929 9930 9931 9932 9933 9934 9935 9936 9937 9938 9939
    9940 9941 9942 9943 9944 9945 9946 9947 9948 9949 9950 9951 9952 9953 9957 9959 EM
    """.split()
)
_CHECKS: dict[str, Any] = {
    "0002": siren,
    "0009": siret,
    "0088": ean,
    "0192": orgnr,
    "0208": be_vat,
}
# Coarse part (a state, 2 to 12 digits), fine part, check digits.
_LEITWEG = re.compile(r"(0[1-9]|1[0-6]|99)\d{0,10}(-[0-9A-Z]{1,30})?-\d\d", re.ASCII | re.I)
_E_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def looks_like_leitweg_id(text: str) -> bool:
    """Whether it has the form of the number by which a German authority routes its invoices."""
    return _LEITWEG.fullmatch(text) is not None


def is_leitweg_id(text: str) -> bool:
    """Of that form, and its check digits are right (ISO 7064, mod 97-10)."""
    return looks_like_leitweg_id(text) and mod_97_10.is_valid(text.replace("-", "").upper())


def is_electronic_address(text: str, scheme: str) -> bool:
    """Whether `text` can be an address of that scheme, as far as is known of it."""
    if scheme == E_MAIL:
        return _E_MAIL.fullmatch(text) is not None
    if scheme == LEITWEG:
        return is_leitweg_id(text)
    check = _CHECKS.get(scheme)
    return not re.search(r"\s", text) and (check is None or check.is_valid(text))


def check_electronic_address(address: str, scheme: str) -> None:
    """Both or neither, and what is given is of its scheme. Raises `Invalid`."""
    if bool(scheme) != bool(address):
        raise Invalid(
            _("An electronic address and its scheme go together."),
            field="electronic_address" if scheme else "electronic_address_scheme",
            code="blank",
        )
    if scheme and scheme not in SCHEMES:
        raise Invalid(
            _("“{scheme}” is no scheme of electronic addresses (EAS), as 0204, 9930 or EM.").format(
                scheme=scheme
            ),
            field="electronic_address_scheme",
            code="unknown_scheme",
        )
    if address and not is_electronic_address(address, scheme):
        raise Invalid(
            _("“{address}” cannot be an address of scheme {scheme}.").format(
                address=address, scheme=scheme
            ),
            field="electronic_address",
            code="invalid_electronic_address",
        )


def electronic_address(workspace: Workspace) -> tuple[str, str]:
    """Where its e-invoices go, and by which scheme: the billing e-mail where none is given."""
    if workspace.electronic_address:
        return workspace.electronic_address, workspace.electronic_address_scheme
    return workspace.billing_email, E_MAIL


def missing_details(workspace: Workspace) -> Sequence[tuple[str, str]]:
    """What its format lacks of its billing details: (field, what to do)."""
    return list(_missing(workspace)) if workspace.e_invoice_format != Format.NONE else []


def _missing(workspace: Workspace) -> Iterator[tuple[str, str]]:
    wanted = Format(workspace.e_invoice_format)
    if not workspace.address_country:
        yield "address_country", _("Address: give its country, which every e-invoice names.")
    if wanted == Format.XRECHNUNG:
        if not workspace.buyer_reference:
            yield (
                "buyer_reference",
                _(
                    "Buyer reference: XRechnung wants one. An authority has its Leitweg-ID, others"
                    " a cost centre or the like."
                ),
            )
        if not workspace.address_city:
            yield "address_city", _("Address: give its city, which XRechnung wants.")
        if not workspace.address_postal_code:
            yield "address_postal_code", _("Address: give its postal code, which XRechnung wants.")
    if wanted == Format.PEPPOL:
        if workspace.electronic_address_scheme in ("", E_MAIL):
            yield (
                "electronic_address",
                _(
                    "Electronic address: Peppol wants one of its network, and its scheme. An e-mail"
                    " address is none."
                ),
            )
        if not workspace.buyer_reference and not workspace.order_number:
            yield (
                "buyer_reference",
                _("Buyer reference or order number: Peppol wants one of them."),
            )


def missing_of_issuer(workspace: Workspace, running: IssuingEntity | None) -> list[str]:
    """What its format lacks of who invoices it, and of who invoices its `running` month, which
    stays with whom it began: finance's matter, not the customer's."""
    wanted = Format(workspace.e_invoice_format)
    if wanted == Format.NONE:
        return []
    entity = workspace.issuing_entity
    if entity is None:
        return ["Issuing entity: e-invoices need one, which has its address in parts."]
    missing = list(_missing_of(entity, wanted))
    if running is None:
        missing.append(
            "The running month is still invoiced by the issuer whom the settings name, who cannot"
            " send e-invoices: without a format until the next month begins, or it waits."
        )
    elif running != entity:
        missing += _missing_of(running, wanted)
    return missing


def _missing_of(entity: IssuingEntity, wanted: Format) -> Iterator[str]:
    if not entity.register and not entity.tax_registrations.exists():
        yield f"{entity.code}: give its register entry or its tax registration."
    if wanted == Format.XRECHNUNG:
        for field, name in (
            ("contact_name", "contact name"),
            ("phone", "phone"),
            ("address_postal_code", "postal code"),
        ):
            if not getattr(entity, field):
                yield f"{entity.code}: give its {name}, which XRechnung wants."
    if wanted == Format.PEPPOL and entity.electronic_address_scheme in ("", E_MAIL):
        yield f"{entity.code}: give its electronic address in the Peppol network."
