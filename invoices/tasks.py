"""Background work of invoices: each task loads by id and calls one service."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone as clock

from invoices.services import mailing


@shared_task(name="invoices.mail_issued_invoice")
def mail_issued_invoice(invoice_id: str) -> None:
    mailing.mail_issued_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="invoices.mail_unmailed_invoices")
def mail_unmailed_invoices() -> None:
    now = clock.now()
    for invoice_id in mailing.unmailed_invoices(now=now):
        mailing.mail_issued_invoice(invoice_id=invoice_id, now=now)
