"""What payments add to the receipt of a call, a page of `usage`: its credit notes and disputes."""

from typing import Any
from uuid import UUID

from django import template

from billing.compiled import CompiledQuery
from invoices.payments.models import CallDispute
from invoices.payments.services.credit_notes.records import notes_about_call

register = template.Library()

_disputes = CompiledQuery[CallDispute](
    lambda workspace_id, call_id: CallDispute.objects.filter(
        workspace_id=workspace_id, call_id=call_id
    )
)


@register.inclusion_tag("payments/call_documents.html", takes_context=True)
def call_documents(context: dict[str, Any], call_id: UUID) -> dict[str, Any]:
    workspace, membership = context["workspace"], context["membership"]
    disputes = _disputes(workspace.pk, call_id)
    is_open = any(each.state == CallDispute.State.OPEN for each in disputes)
    return {
        "workspace": workspace,
        "call_id": call_id,
        "csrf_token": context.get("csrf_token"),
        "notes": notes_about_call(workspace.pk, call_id),
        "disputes": disputes,
        "reasons": CallDispute.Reason.choices,
        "may_dispute": membership.may_change_settings,
        "may_open": membership.may_change_settings
        and not is_open
        and (context["sums"]["price"] or 0) > 0,
    }
