"""What pages of usage say about bills, which their own app does not know of."""

from uuid import UUID

from django import template

from invoices.models import InvoiceItem
from invoices.queries import items_billing

register = template.Library()


@register.simple_tag
def bill_items(workspace_id: UUID, call_id: UUID) -> list[InvoiceItem]:
    """The invoice lines that a call is on; none while its month runs."""
    return items_billing(workspace_id, call_id)
