"""Mails about disputes of calls: finance hears of a new one, owners of the decision."""

import datetime as dt

from django.utils.translation import gettext as _

from billing.formats import money
from billing.links import page_url
from billing.models import OptionalMail
from billing.services.emails import addresses_wanting
from billing.services.notifications import Notification, mail_notification, notify_finance
from invoices.payments.models import CallDispute


def tell_finance(dispute: CallDispute, *, now: dt.datetime) -> None:
    notify_finance(
        key=f"call-dispute:{dispute.pk}",
        subject=f"{dispute.workspace.name} disputes a call",
        paragraphs=[dispute.text, "The facts are beside it: approve it, in whole or part, or not."],
        facts=[
            ("Reason", dispute.get_reason_display()),
            ("Price", money(dispute.price, dispute.currency)),
            ("Asked by", dispute.opened_by),
        ],
        about=dispute,
        now=now,
    )


def tell_owner(dispute: CallDispute, *, now: dt.datetime) -> None:
    """In time with the decision, to the owners of the workspace."""

    def said() -> Notification:
        call = str(dispute.call_id)[:8]
        if dispute.state == CallDispute.State.REFUSED:
            subject = _("We have looked into your dispute of call {call}").format(call=call)
            paragraphs = [_("We give nothing back for it.")]
        else:
            given = money(dispute.amount, dispute.currency)
            subject = _("We give back {amount} for your dispute of call {call}").format(
                amount=given, call=call
            )
            paragraphs = [_where(dispute)]
        return Notification(
            subject=subject,
            paragraphs=[*paragraphs, *([dispute.decision] if dispute.decision else [])],
            link_label=_("See the call"),
            link_url=page_url("usage:receipt", dispute.workspace_id, dispute.call_id),
        )

    mail_notification(
        dispute.workspace,
        addresses_wanting(dispute.workspace, OptionalMail.CALL_DISPUTE),
        said,
        key=f"call-dispute:{dispute.pk}:{dispute.state}",
        kind="call_dispute",
        now=now,
    )


def _where(dispute: CallDispute) -> str:
    if dispute.credit_note is not None:
        note = dispute.credit_note
        return _("Credit note {note} for invoice {number} gives it back.").format(
            note=note.number, number=note.invoice.number
        )
    if dispute.manual_item is not None:
        return _("It is a credit on your next invoice.")
    if not dispute.amount:
        return _("Its usage had been taken back before.")
    return _("Its usage is taken back: your next invoice is lower by it.")
