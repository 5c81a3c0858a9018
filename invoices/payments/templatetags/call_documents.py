"""What payments add to the receipt of a call, a page of `usage`: the credit notes about it."""

from typing import Any
from uuid import UUID

from django import template

from billing.models import Workspace
from invoices.payments.services.credit_notes.records import notes_about_call

register = template.Library()


@register.inclusion_tag("payments/call_documents.html")
def call_documents(workspace: Workspace, call_id: UUID) -> dict[str, Any]:
    return {"workspace": workspace, "notes": notes_about_call(workspace.pk, call_id)}
