"""E-mails about paying an invoice: to the billing address and the owners, or to finance."""

import datetime as dt
import logging
from collections.abc import Sequence

import typst

from billing.formats import money
from billing.links import page_url
from billing.models import Workspace
from billing.services.emails import Attachment, owner_addresses, queue_email
from billing.services.notifications import TEMPLATE, Notification, notify_finance
from invoices.document import ADD_METHOD
from invoices.models import CreditNote, Invoice
from invoices.payments.models import StripeCustomer
from invoices.pdf import render_credit_note
from invoices.queries import lacks_payment_method
from invoices.services.mailing import pdf_attachment

log = logging.getLogger(__name__)


def tell_finance_of_refused_details(account: StripeCustomer, *, now: dt.datetime) -> None:
    """Once for each change of the details that Stripe refuses."""
    workspace = account.workspace
    notify_finance(
        key=_refusal(account),
        subject=f"Stripe refuses the billing details of {workspace.name}",
        paragraphs=[
            account.last_error,
            "Its invoices go on with what Stripe had before. The details are sent again when"
            " someone changes them, or by “Try again” under Waiting work.",
        ],
        about=workspace,
        now=now,
    )


def tell_owners_of_refused_details(account: StripeCustomer, *, now: dt.datetime) -> None:
    workspace = account.workspace
    queue_email(
        key=_refusal(account),
        kind="details_refused",
        workspace_id=workspace.pk,
        recipients=owner_addresses(workspace.pk),
        subject="Your billing details were not accepted"[:200],
        template=TEMPLATE,
        context={
            "workspace": workspace,
            "notification": Notification(
                subject="Your billing details were not accepted",
                paragraphs=[
                    f"The payment provider refuses the billing details of {workspace.name}:",
                    account.last_error,
                    "Please check the tax number, the country and the address.",
                ],
                link_label="Check the billing details",
                link_url=page_url("billing:settings", workspace.pk),
            ),
        },
        now=now,
    )


def _refusal(account: StripeCustomer) -> str:
    return f"details-refused:{account.pk}:{account.requested_at.isoformat()}"


def tell_paid(invoice: Invoice, *, now: dt.datetime) -> None:
    paragraphs = ["Thank you: we have received your payment."]
    if not invoice.amount_paid:
        paragraphs = [
            "There is nothing left to pay: it is settled by your credit or a credit note."
        ]
    _to_payer(
        invoice,
        "paid",
        Notification(
            subject=f"Invoice {invoice.number} is paid",
            paragraphs=paragraphs,
            facts=_facts(invoice),
            link_label="See the invoice",
            link_url=_invoice_url(invoice),
        ),
        now=now,
    )


def tell_credit_note(note: CreditNote, *, now: dt.datetime) -> None:
    """The document itself, and where its money goes."""
    invoice = note.invoice
    places = [
        (note.to_open, "{} less is to be paid."),
        (note.to_refund, "{} goes back to what you have paid with; banks take a few days."),
        (note.to_credit, "{} is your credit: your next invoice uses it."),
        (note.to_out_of_band, "{} is sent back to you."),
    ]
    texts = [text.format(money(amount, note.currency)) for amount, text in places if amount]
    try:
        papers = [Attachment(f"{note.number}.pdf", "application/pdf", render_credit_note(note))]
    except typst.TypstError:
        log.exception("the PDF of credit note %s cannot be set", note.number)
        papers = []
    _to_payer(
        invoice,
        f"credit_note:{note.pk}",
        Notification(
            subject=f"Credit note {note.number} for invoice {invoice.number}",
            paragraphs=[note.explanation, *texts],
            facts=[
                ("Credit note", str(note.number)),
                ("For invoice", invoice.number),
                ("Amount", money(note.total, note.currency)),
            ],
            link_label="See the invoice",
            link_url=_invoice_url(invoice),
        ),
        attachments=papers,
        now=now,
    )


def tell_due_soon(invoice: Invoice, *, key: str, now: dt.datetime) -> bool:
    return _to_payer(
        invoice,
        key,
        Notification(
            subject=f"Invoice {invoice.number} is due on {invoice.due_date:%d %B %Y}",
            paragraphs=[
                "This is a friendly reminder that an invoice will be due soon.",
                *_no_method(invoice),
            ],
            facts=_facts(invoice),
            **_payment_link(invoice),
        ),
        now=now,
    )


def tell_still_unpaid(invoice: Invoice, *, key: str, now: dt.datetime) -> bool:
    return _to_payer(
        invoice,
        key,
        Notification(
            subject=f"Invoice {invoice.number} is still unpaid",
            paragraphs=[
                "We have not received your payment yet.",
                "If you have paid in the meantime, please ignore this message.",
                *_no_method(invoice),
            ],
            facts=_facts(invoice),
            **_payment_link(invoice),
        ),
        now=now,
    )


def tell_overdue(
    invoice: Invoice, *, payment_failed: bool, suspended: bool, now: dt.datetime
) -> None:
    if payment_failed:
        subject = f"Your payment of invoice {invoice.number} failed"
        paragraphs = ["We could not collect your payment. Please check your payment method."]
    else:
        subject = f"Invoice {invoice.number} is overdue"
        paragraphs = ["We have not received your payment by the due date.", *_no_method(invoice)]
    if suspended:
        paragraphs.append(_SUSPENDED)
    _to_payer(
        invoice,
        "overdue",
        Notification(
            subject=subject,
            paragraphs=paragraphs,
            facts=_facts(invoice),
            **_payment_link(invoice),
        ),
        attachments=_pdf(invoice),
        now=now,
    )


def tell_suspended(invoice: Invoice, *, now: dt.datetime) -> None:
    _to_payer(
        invoice,
        "suspended",
        Notification(
            subject=f"{invoice.workspace.name} is suspended",
            paragraphs=[f"Invoice {invoice.number} is still unpaid.", _SUSPENDED],
            facts=_facts(invoice),
            **_payment_link(invoice),
        ),
        now=now,
    )


def tell_void(invoice: Invoice, *, replacement: Invoice | None, now: dt.datetime) -> None:
    paragraphs = ["Nothing is to be paid for it, and nothing is charged for it any more."]
    if replacement:
        paragraphs.append(
            f"Invoice {replacement.number} replaces it; you get it with a message of its own."
        )
    _to_payer(
        invoice,
        "void",
        Notification(
            subject=f"Invoice {invoice.number} is void",
            paragraphs=paragraphs,
            facts=_facts(invoice)[:2],
            link_label="See the invoice",
            link_url=_invoice_url(invoice),
        ),
        now=now,
    )


def tell_carried_over(invoice: Invoice, *, now: dt.datetime) -> None:
    _to_payer(
        invoice,
        "carried_over",
        Notification(
            subject=f"Invoice {invoice.number} is charged with your next one",
            paragraphs=[
                "Its amount is too small to be charged by itself. There is nothing to do now: "
                "it is added to what your next invoice comes to."
            ],
            facts=_facts(invoice)[:2],
            link_label="See the invoice",
            link_url=_invoice_url(invoice),
        ),
        now=now,
    )


def tell_subscription_ended(workspace: Workspace, *, key: str, now: dt.datetime) -> None:
    """The subscription was cancelled in Stripe: the owners learn what follows."""
    queue_email(
        key=f"subscription-ended:{key}",
        kind="subscription_ended",
        recipients=_without_repeats([workspace.billing_email, *owner_addresses(workspace.pk)]),
        subject=f"The subscription of {workspace.name} has ended",
        template=TEMPLATE,
        context={
            "notification": Notification(
                subject=f"The subscription of {workspace.name} has ended",
                paragraphs=[
                    "From your next billing period on you are on the free plan: there is no "
                    "monthly fee, and what you use is billed as before.",
                    "The period that runs now keeps its plan.",
                ],
                link_label="Open your settings",
                link_url=page_url("billing:settings", workspace.pk),
            )
        },
        now=now,
        workspace_id=workspace.pk,
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


_SUSPENDED = (
    "Until it is paid the workspace is suspended: its agents are paused and take no calls. "
    "They come back by themselves as soon as your payment arrives."
)


def _to_payer(
    invoice: Invoice,
    about: str,
    notification: Notification,
    *,
    now: dt.datetime,
    attachments: Sequence[Attachment] = (),
) -> bool:
    """Whether it was queued now: the same message about an invoice is sent once."""
    email = queue_email(
        key=f"invoice:{invoice.pk}:{about}",
        kind=f"invoice_{about.split(':', maxsplit=1)[0]}",
        recipients=_without_repeats(
            [invoice.bill_to_email, *owner_addresses(invoice.workspace_id)]
        ),
        subject=notification.subject[:200],
        template=TEMPLATE,
        context={"notification": notification},
        now=now,
        workspace_id=invoice.workspace_id,
        attachments=attachments,
    )
    return email is not None


def _pdf(invoice: Invoice) -> list[Attachment]:
    """The paper, if it can be set: for want of it nobody is spared, or denied, a transition."""
    try:
        return [pdf_attachment(invoice)]
    except typst.TypstError:
        log.exception("the PDF of invoice %s cannot be set", invoice.number)
        return []


def _facts(invoice: Invoice) -> list[tuple[str, str]]:
    facts = [
        ("Invoice", invoice.number),
        ("Amount", money(invoice.amount_charged, invoice.currency)),
        *_still_open(invoice),
        ("Due", f"{invoice.due_date:%d %B %Y}"),
    ]
    if invoice.paid_at is not None:
        facts[-1] = ("Paid", f"{invoice.paid_at.astimezone(invoice.workspace.zone):%d %B %Y}")
    return facts


def _still_open(invoice: Invoice) -> list[tuple[str, str]]:
    if not invoice.amount_settled or not invoice.amount_due:
        return []
    return [("Still open", money(invoice.amount_due, invoice.currency))]


def _payment_link(invoice: Invoice) -> dict[str, str]:
    if invoice.hosted_invoice_url:
        return {"link_label": "Pay now", "link_url": invoice.hosted_invoice_url}
    return {"link_label": "See the invoice", "link_url": _invoice_url(invoice)}


def _no_method(invoice: Invoice) -> list[str]:
    if not lacks_payment_method(invoice):
        return []
    how = ADD_METHOD.format(where=page_url("invoices:list", invoice.workspace_id))
    return [f"There is no payment method on file, so nothing could be charged. {how}"]


def _invoice_url(invoice: Invoice) -> str:
    return page_url("invoices:detail", invoice.workspace_id, invoice.pk)


def _without_repeats(addresses: Sequence[str]) -> list[str]:
    unique = {address.lower(): address for address in reversed(addresses)}
    return [unique[key] for key in dict.fromkeys(address.lower() for address in addresses)]
