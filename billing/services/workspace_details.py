"""What a workspace's documents name, checked together: address, tax, e-invoices, issuer, fields."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from billing.e_invoices import (
    check_electronic_address,
    is_leitweg_id,
    looks_like_leitweg_id,
)
from billing.errors import Invalid
from billing.languages import Language
from billing.models import IssuingEntity, Workspace
from billing.taxnumbers import COUNTRIES, is_tax_number
from billing.text import UnfitText, printable_line

BILLING_DETAILS = (
    "name",
    "billing_email",
    "billing_name",
    "address_line1",
    "address_line2",
    "address_city",
    "address_state",
    "address_postal_code",
    "address_country",
    "tax_id",
    "tax_status",
    "tax_exemption",
    "e_invoice_format",
    "e_invoice_attached",
    "buyer_reference",
    "order_number",
    "electronic_address",
    "electronic_address_scheme",
    "language",
    "custom_fields",
)
MAX_CUSTOM_TEXT = 100
# What says where e-invoices go, and is checked together.
_ROUTING = {
    "e_invoice_format",
    "buyer_reference",
    "electronic_address",
    "electronic_address_scheme",
}


def change_details(workspace: Workspace, changed: Mapping[str, Any]) -> None:
    """Set what `changed` names of the details and who invoices it (by code); the caller saves.

    Raises `Invalid`.
    """
    for name in BILLING_DETAILS:
        if name in changed:
            setattr(workspace, name, changed[name])
    if {"tax_id", "address_country"} & changed.keys():
        _check_tax_number(workspace)
    if {"tax_status", "tax_exemption"} & changed.keys():
        _check_exemption(workspace)
    if _ROUTING & changed.keys():
        _check_routing(workspace)
    if "issuing_entity" in changed:
        workspace.issuing_entity = known_entity(changed["issuing_entity"])
    if {"custom_fields", "issuing_entity"} & changed.keys():
        workspace.custom_fields = _fitting_fields(workspace)
    if "language" in changed and changed["language"] not in Language.values:
        raise Invalid(
            f"{', '.join(Language.values)} are spoken.", field="language", code="invalid_choice"
        )


def known_entity(code: str | None) -> IssuingEntity | None:
    """The one who invoices; None for the issuer whom the settings name."""
    if not code:
        return None
    entity = IssuingEntity.objects.filter(code=code).first()
    if entity is None:
        raise Invalid(
            f"There is no issuing entity {code!r}.", field="issuing_entity", code="unknown_entity"
        )
    return entity


def _fitting_fields(workspace: Workspace) -> dict[str, str]:
    """The custom fields that its issuing entity has; raises `Invalid` for what is no text."""
    known = workspace.issuing_entity.custom_fields if workspace.issuing_entity else []
    given = workspace.custom_fields or {}
    if not isinstance(given, dict):
        raise Invalid("Names and texts are expected.", field="custom_fields", code="invalid")
    kept = {}
    for name, text in given.items():
        if name not in known or not isinstance(text, str) or len(text) > MAX_CUSTOM_TEXT:
            has = ", ".join(known) or "none"
            raise Invalid(
                f"{name!r} is no text of a custom field of its issuing entity, which has: {has}.",
                field="custom_fields",
                code="unknown_field",
            )
        try:
            line = printable_line(text)
        except UnfitText as error:
            raise Invalid(str(error), field="custom_fields", code="invalid_text") from None
        if line:
            kept[name] = line
    return kept


def _check_tax_number(workspace: Workspace) -> None:
    country = workspace.address_country
    if country and country not in COUNTRIES:
        raise Invalid(
            _("A country's two capital letters are expected, as US or DE (ISO 3166)."),
            field="address_country",
            code="invalid_country",
        )
    if workspace.tax_id and not is_tax_number(workspace.tax_id, country=country):
        if country:
            said = _("“{number}” cannot be a tax number of a company in {country}.")
        else:
            said = _("“{number}” cannot be a tax number.")
        raise Invalid(
            said.format(number=workspace.tax_id, country=country),
            field="tax_id",
            code="invalid_tax_id",
        )


def _check_exemption(workspace: Workspace) -> None:
    is_exempt = workspace.tax_status == Workspace.TaxStatus.EXEMPT
    if is_exempt and not workspace.tax_exemption:
        raise Invalid(
            "An exempt customer's invoices say why: a certificate or an article is expected.",
            field="tax_exemption",
            code="blank",
        )
    if not is_exempt and workspace.tax_exemption:
        raise Invalid(
            "Only an exempt customer has a reason for it.",
            field="tax_exemption",
            code="not_exempt",
        )


def _check_routing(workspace: Workspace) -> None:
    """What has a form is of it. What is only missing is no error: `missing_details` says it."""
    check_electronic_address(workspace.electronic_address, workspace.electronic_address_scheme)
    reference = workspace.buyer_reference
    if (
        workspace.e_invoice_format == Workspace.EInvoiceFormat.XRECHNUNG
        and looks_like_leitweg_id(reference)
        and not is_leitweg_id(reference)
    ):
        raise Invalid(
            _("“{reference}” is not a Leitweg-ID: its check digits are wrong.").format(
                reference=reference
            ),
            field="buyer_reference",
            code="invalid_leitweg_id",
        )
