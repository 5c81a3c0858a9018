"""Mails about disputes of calls: finance hears of a new one, owners of the decision."""

import datetime as dt

from billing.formats import exact_money, money
from billing.links import page_url
from billing.models import OptionalMail
from billing.services.emails import addresses_wanting, queue_email
from billing.services.notifications import TEMPLATE, Notification, notify_finance
from invoices.payments.models import CallDispute


def tell_finance(dispute: CallDispute, *, now: dt.datetime) -> None:
    notify_finance(
        key=f"call-dispute:{dispute.pk}",
        subject=f"{dispute.workspace.name} disputes a call",
        paragraphs=[dispute.text, "The facts are beside it: approve it, in whole or part, or not."],
        facts=[
            ("Reason", dispute.get_reason_display()),
            ("Price", exact_money(dispute.price, dispute.currency)),
            ("Asked by", dispute.opened_by),
        ],
        about=dispute,
        now=now,
    )


def tell_owner(dispute: CallDispute, *, now: dt.datetime) -> None:
    """In time with the decision, to the owners of the workspace."""
    name = f"your dispute of call {str(dispute.call_id)[:8]}"
    if dispute.state == CallDispute.State.REFUSED:
        subject, paragraphs = f"We have looked into {name}", ["We give nothing back for it."]
    else:
        given = money(dispute.amount, dispute.currency)
        subject = f"We give back {given} for {name}"
        paragraphs = [_where(dispute)]
    queue_email(
        key=f"call-dispute:{dispute.pk}:{dispute.state}",
        kind="call_dispute",
        workspace_id=dispute.workspace_id,
        recipients=addresses_wanting(dispute.workspace, OptionalMail.CALL_DISPUTE),
        subject=subject[:200],
        template=TEMPLATE,
        context={
            "workspace": dispute.workspace,
            "notification": Notification(
                subject=subject,
                paragraphs=[*paragraphs, *([dispute.decision] if dispute.decision else [])],
                link_label="See the call",
                link_url=page_url("usage:receipt", dispute.workspace_id, dispute.call_id),
            ),
        },
        now=now,
    )


def _where(dispute: CallDispute) -> str:
    if dispute.credit_note is not None:
        note = dispute.credit_note
        return f"Credit note {note.number} for invoice {note.invoice.number} gives it back."
    if dispute.manual_item is not None:
        return "It is a credit on your next invoice."
    if not dispute.amount:
        return "Its usage had been taken back before."
    return "Its usage is taken back: your next invoice is lower by it."
