"""What pages say about bills: those of usage, whose app does not know of them, and addresses."""

from uuid import UUID

from django import template
from django.utils.safestring import SafeString

from invoices import rows
from invoices.document_parts import addressed_lines
from invoices.models import Invoice, InvoiceItem
from invoices.queries import items_billing

register = template.Library()


register.filter("address_lines", addressed_lines)


@register.simple_tag
def bill_items(workspace_id: UUID, call_id: UUID) -> list[InvoiceItem]:
    """The invoice lines that a call is on; none while its month runs."""
    return items_billing(workspace_id, call_id)


@register.simple_tag(takes_context=True)
def invoice_rows(context: template.Context, invoices: list[Invoice]) -> SafeString:
    return rows.invoice_rows(invoices, context["workspace"].pk)
