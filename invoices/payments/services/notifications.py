"""E-mails about paying an invoice: to the billing address and the owners, or to finance."""

import datetime as dt
import logging
from decimal import Decimal

import typst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.formats import long_date, money
from billing.links import page_url
from billing.models import Workspace
from billing.services.emails import Attachment
from billing.services.notifications import Notification, notify_finance
from invoices.document import add_method
from invoices.models import Invoice
from invoices.payments.services.payer_mails import (
    invoice_link,
    mail_to_payer,
    mail_to_payer_of,
)
from invoices.queries import lacks_payment_method
from invoices.services.mailing import pdf_attachment

log = logging.getLogger(__name__)


def tell_paid(invoice: Invoice, *, now: dt.datetime) -> None:
    def said() -> Notification:
        if invoice.amount_paid:
            text = _("Thank you: we have received your payment.")
        else:
            text = _("There is nothing left to pay: it is settled by your credit or a credit note.")
        return Notification(
            subject=_("Invoice {number} is paid").format(number=invoice.number),
            paragraphs=[text],
            facts=_facts(invoice),
            **invoice_link(invoice),
        )

    mail_to_payer(invoice, "paid", said, now=now)


def tell_open_again(invoice: Invoice, *, amount: Decimal, key: str, now: dt.datetime) -> None:
    """Its payment was charged back for good. Nothing of it can be paid on Stripe's page."""

    def said() -> Notification:
        text = _("The bank has taken your payment back for good: {amount} is to be paid again.")
        return Notification(
            subject=_("Invoice {number} is open again").format(number=invoice.number),
            paragraphs=[text.format(amount=money(amount, invoice.currency))],
            facts=_facts(invoice),
            **invoice_link(invoice),
        )

    mail_to_payer(invoice, f"open_again:{key}", said, attachments=_pdf(invoice), now=now)


def tell_due_soon(invoice: Invoice, *, key: str, now: dt.datetime) -> bool:
    def said() -> Notification:
        return Notification(
            subject=_("Invoice {number} is due on {day}").format(
                number=invoice.number, day=long_date(invoice.due_date)
            ),
            paragraphs=[
                _("This is a friendly reminder that an invoice will be due soon."),
                *_no_method(invoice),
            ],
            facts=_facts(invoice),
            **_payment_link(invoice),
        )

    return mail_to_payer(invoice, key, said, now=now)


def tell_still_unpaid(invoice: Invoice, *, key: str, now: dt.datetime) -> bool:
    def said() -> Notification:
        return Notification(
            subject=_("Invoice {number} is still unpaid").format(number=invoice.number),
            paragraphs=[
                _("We have not received your payment yet."),
                _("If you have paid in the meantime, please ignore this message."),
                *_no_method(invoice),
            ],
            facts=_facts(invoice),
            **_payment_link(invoice),
        )

    return mail_to_payer(invoice, key, said, now=now)


def tell_overdue(
    invoice: Invoice, *, payment_failed: bool, suspended: bool, now: dt.datetime
) -> None:
    def said() -> Notification:
        if payment_failed:
            subject = _("Your payment of invoice {number} failed")
            paragraphs = [_("We could not collect your payment. Please check your payment method.")]
        else:
            subject = _("Invoice {number} is overdue")
            paragraphs = [
                _("We have not received your payment by the due date."),
                *_no_method(invoice),
            ]
        if suspended:
            paragraphs.append(_(_SUSPENDED))
        return Notification(
            subject=subject.format(number=invoice.number),
            paragraphs=paragraphs,
            facts=_facts(invoice),
            **_payment_link(invoice),
        )

    mail_to_payer(invoice, "overdue", said, attachments=_pdf(invoice), now=now)


def tell_suspended(invoice: Invoice, *, now: dt.datetime) -> None:
    def said() -> Notification:
        return Notification(
            subject=_("{workspace} is suspended").format(workspace=invoice.workspace.name),
            paragraphs=[
                _("Invoice {number} is still unpaid.").format(number=invoice.number),
                _(_SUSPENDED),
            ],
            facts=_facts(invoice),
            **_payment_link(invoice),
        )

    mail_to_payer(invoice, "suspended", said, now=now)


def tell_void(invoice: Invoice, *, replacement: Invoice | None, now: dt.datetime) -> None:
    def said() -> Notification:
        paragraphs = [_("Nothing is to be paid for it, and nothing is charged for it any more.")]
        if replacement:
            text = _("Invoice {number} replaces it; you get it with a message of its own.")
            paragraphs.append(text.format(number=replacement.number))
        return Notification(
            subject=_("Invoice {number} is void").format(number=invoice.number),
            paragraphs=paragraphs,
            facts=_facts(invoice)[:2],
            **invoice_link(invoice),
        )

    mail_to_payer(invoice, "void", said, now=now)


def tell_carried_over(invoice: Invoice, *, now: dt.datetime) -> None:
    def said() -> Notification:
        return Notification(
            subject=_("Invoice {number} is charged with your next one").format(
                number=invoice.number
            ),
            paragraphs=[
                _(
                    "Its amount is too small to be charged by itself. There is nothing to do now:"
                    " it is added to what your next invoice comes to."
                )
            ],
            facts=_facts(invoice)[:2],
            **invoice_link(invoice),
        )

    mail_to_payer(invoice, "carried_over", said, now=now)


def tell_subscription_ended(workspace: Workspace, *, key: str, now: dt.datetime) -> None:
    """The subscription was cancelled in Stripe: the owners learn what follows."""

    def said() -> Notification:
        return Notification(
            subject=_("The subscription of {workspace} has ended").format(workspace=workspace.name),
            paragraphs=[
                _(
                    "From your next billing period on you are on the free plan: there is no"
                    " monthly fee, and what you use is billed as before."
                ),
                _("The period that runs now keeps its plan."),
            ],
            link_label=_("Open your settings"),
            link_url=page_url("billing:settings", workspace.pk),
        )

    mail_to_payer_of(
        workspace, said, key=f"subscription-ended:{key}", kind="subscription_ended", now=now
    )


def tell_finance_of_conflict(invoice: Invoice, *, detail: str, now: dt.datetime) -> None:
    notify_finance(
        key=f"conflict:{invoice.pk}:{detail}",
        subject=f"Invoice {invoice.number} needs a look",
        paragraphs=[detail],
        facts=_facts(invoice),
        about=invoice,
        now=now,
    )


_SUSPENDED = gettext_noop(
    "Until it is paid the workspace is suspended: its agents are paused and take no calls. They"
    " come back by themselves as soon as your payment arrives."
)


def _pdf(invoice: Invoice) -> list[Attachment]:
    """The paper, if it can be set: for want of it nobody is spared, or denied, a transition."""
    try:
        return [pdf_attachment(invoice)]
    except typst.TypstError:
        log.exception("the PDF of invoice %s cannot be set", invoice.number)
        return []


def _facts(invoice: Invoice) -> list[tuple[str, str]]:
    facts = [
        (_("Invoice"), invoice.number),
        (_("Amount"), money(invoice.amount_charged, invoice.currency)),
        *_still_open(invoice),
        (_("Due"), long_date(invoice.due_date)),
    ]
    if invoice.paid_at is not None:
        paid_on = invoice.paid_at.astimezone(invoice.workspace.zone).date()
        facts[-1] = (_("Paid"), long_date(paid_on))
    return facts


def _still_open(invoice: Invoice) -> list[tuple[str, str]]:
    if not invoice.amount_settled or not invoice.amount_due:
        return []
    return [(_("Still open"), money(invoice.amount_due, invoice.currency))]


def _payment_link(invoice: Invoice) -> dict[str, str]:
    if invoice.hosted_invoice_url:
        return {"link_label": _("Pay now"), "link_url": invoice.hosted_invoice_url}
    return invoice_link(invoice)


def _no_method(invoice: Invoice) -> list[str]:
    if not lacks_payment_method(invoice):
        return []
    how = add_method(page_url("invoices:list", invoice.workspace_id))
    text = _("There is no payment method on file, so nothing could be charged.")
    return [f"{text} {how}"]
