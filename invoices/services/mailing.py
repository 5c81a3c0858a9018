"""The e-mail that carries a new invoice to its billing address, with the PDF."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _

from billing.formats import long_date, money
from billing.issuers import issuer_then
from billing.links import page_url
from billing.models import Email, Workspace
from billing.services.emails import (
    Attachment,
    NoTextLeft,
    in_each_language,
    queue_email,
    resend,
)
from invoices.document import add_method, pay_by, period_range
from invoices.models import CreditNote, EInvoice, Invoice
from invoices.pdf import invoice_filename, render_invoice
from invoices.queries import lacks_payment_method
from invoices.signals import amount_explained

KIND = "invoice_issued"
_KEY = "invoice-issued:"
# Its task is normally done within seconds; the sweep leaves it this time, and looks back so far.
_SWEEP_AFTER = dt.timedelta(minutes=10)
_SWEEP_WITHIN = dt.timedelta(days=7)


def mail_issued_invoice(*, invoice_id: UUID, now: dt.datetime) -> bool:
    """Queue the invoice's e-mail; False when that was done before."""
    if Email.objects.filter(key=f"{_KEY}{invoice_id}").exists():
        return False
    invoice = (
        Invoice.objects.select_related("workspace", "billing_period", "replaces")
        .prefetch_related("items")
        .get(pk=invoice_id)
    )
    papers = [pdf_attachment(invoice), *e_invoice_attachments(invoice)]

    def send(suffix: str, recipients: list[str]) -> bool:
        return _queue(invoice, suffix, recipients, papers, now)

    return in_each_language(invoice.workspace, [invoice.bill_to_email], send)


def emails_of_invoice(invoice_id: UUID) -> list[Email]:
    """Those that carried it, one for each language of its readers."""
    keys = Q(key=f"{_KEY}{invoice_id}") | Q(key__startswith=f"{_KEY}{invoice_id}:")
    return list(Email.objects.filter(keys).exclude(recipients=[]).order_by("requested_at", "key"))


def addresses_of_invoice(invoice: Invoice) -> list[str]:
    """Whom `mail_again` writes to: whom it went to, or the customer's address where that is
    another now, as after a mail that went to a wrong one."""
    moved = _address_since(invoice)
    if moved:
        return [moved]
    sent = emails_of_invoice(invoice.pk)
    return sorted({address for each in sent for address in each.recipients}) or [
        invoice.bill_to_email
    ]


def mail_again(*, invoice_id: UUID, now: dt.datetime) -> None:
    """Mail an invoice once more; for the first time where it never was.

    Raises `NoTextLeft` where its mails are no longer kept.
    """
    invoice = (
        Invoice.objects.select_related("workspace", "billing_period", "replaces")
        .prefetch_related("items")
        .get(pk=invoice_id)
    )
    sent, moved = emails_of_invoice(invoice_id), _address_since(invoice)
    if moved:
        sent = [each for each in sent if each.recipients == [moved]]
        if not sent:
            _mail_to(invoice, moved, now)
            return
    for email in sent:
        resend(email_id=email.pk, now=now)
    if not sent and not mail_issued_invoice(invoice_id=invoice_id, now=now):
        raise NoTextLeft("Its e-mail is no longer kept.")


def _address_since(invoice: Invoice) -> str:
    """The customer's billing e-mail, where it is not the one that the invoice names."""
    address = invoice.workspace.billing_email
    known = invoice.bill_to_email
    # Of an erased customer it names none.
    return address if known and known.casefold() != address.casefold() else ""


def _mail_to(invoice: Invoice, address: str, now: dt.datetime) -> None:
    papers = [pdf_attachment(invoice), *e_invoice_attachments(invoice)]
    # Asked for twice at once it is one.
    before = Email.objects.filter(key__startswith=f"{_KEY}{invoice.pk}").count()

    def send(suffix: str, recipients: list[str]) -> bool:
        return _queue(invoice, f":{before}{suffix}", recipients, papers, now)

    in_each_language(invoice.workspace, [address], send)


def _queue(
    invoice: Invoice,
    suffix: str,
    recipients: list[str],
    papers: Sequence[Attachment],
    now: dt.datetime,
) -> bool:
    issuer = issuer_then(invoice.letterhead)
    subject = _("Invoice {number} from {issuer}").format(number=invoice.number, issuer=issuer.name)
    period = period_range(invoice)
    email = queue_email(
        key=f"{_KEY}{invoice.pk}{suffix}",
        kind=KIND,
        recipients=recipients,
        subject=subject[:200],
        template="emails/invoice_issued",
        context={
            "invoice": invoice,
            "workspace": invoice.workspace,
            "issuer": issuer.name,
            "period": period,
            "facts": [
                (_("Invoice"), invoice.number),
                (_("Amount due"), money(invoice.amount_due, invoice.currency)),
                (_("Due"), long_date(invoice.due_date)),
            ],
            "payment": _payment(invoice),
            "explained": _explained(invoice),
            "replaces": invoice.replaces.number if invoice.replaces else "",
            "action_url": invoice.hosted_invoice_url
            or page_url("invoices:detail", invoice.workspace_id, invoice.pk),
            "action_label": _("View and pay online")
            if invoice.hosted_invoice_url
            else _("See the invoice"),
        },
        now=now,
        workspace_id=invoice.workspace_id,
        attachments=papers,
    )
    return email is not None


def pdf_attachment(invoice: Invoice) -> Attachment:
    return Attachment(invoice_filename(invoice), "application/pdf", render_invoice(invoice))


def e_invoice_attachments(document: Invoice | CreditNote) -> list[Attachment]:
    """The XML as a file, where the customer wants it; a Factur-X is inside of the PDF."""
    if not document.workspace.e_invoice_attached:
        return []
    kept = EInvoice.of(document)
    if kept is None or kept.format == Workspace.EInvoiceFormat.FACTURX:
        return []
    name = f"{document.number}-{kept.format}.xml"
    return [Attachment(name, "application/xml", kept.xml.encode())]


def unmailed_invoices(*, now: dt.datetime, limit: int = 500) -> Sequence[UUID]:
    """Invoices of the last days whose e-mail was lost with the task that should have queued it."""
    mailed = Email.objects.filter(
        key=Concat(Value(_KEY), Cast(OuterRef("pk"), TextField()), output_field=TextField())
    )
    return list(
        Invoice.objects.filter(issued_at__gt=now - _SWEEP_WITHIN, issued_at__lte=now - _SWEEP_AFTER)
        .exclude(bill_to_email="")
        .filter(~Exists(mailed))
        .order_by(F("issued_at"))
        .values_list("pk", flat=True)[:limit]
    )


def _explained(invoice: Invoice) -> str:
    answers = amount_explained.send(sender=Invoice, invoice=invoice)
    return " ".join(answer for _, answer in answers if answer)


def _payment(invoice: Invoice) -> str:
    if not invoice.amount_due:
        return _("There is nothing to pay.")
    if lacks_payment_method(invoice):
        how = add_method(page_url("invoices:list", invoice.workspace_id))
        text = _("There is no payment method on file, so nothing is charged yet.")
        return f"{text} {how}"
    if invoice.is_charged_automatically:
        return _("Your payment method on file is charged automatically. There is nothing to do.")
    return pay_by(invoice)
