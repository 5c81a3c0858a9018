"""Whom a document to a workspace is addressed to, by the names of an invoice's columns."""

from billing.addresses import city_line
from billing.models import Workspace


def bill_to(workspace: Workspace) -> dict[str, str]:
    """As of now; frozen with an invoice."""
    return {
        "bill_to_name": workspace.billing_name or workspace.name,
        "bill_to_email": workspace.billing_email,
        "bill_to_address": _address(workspace),
        "bill_to_tax_id": workspace.tax_id,
    }


def _address(workspace: Workspace) -> str:
    """In lines: the country last, as its code."""
    city = city_line(
        country=workspace.address_country,
        postal_code=workspace.address_postal_code,
        city=workspace.address_city,
        state=workspace.address_state,
    )
    lines = (
        workspace.address_line1,
        workspace.address_line2,
        city,
        workspace.address_country,
    )
    return "\n".join(line for line in lines if line)
