"""Background work of invoices: each task loads by id and calls one service."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils import timezone as clock

from billing.tasks import enqueue
from invoices.services import closing, customers, mailing, push

log = logging.getLogger(__name__)


@shared_task(name="invoices.finalize_due_periods")
def finalize_due_periods(retry_parked: bool = False) -> None:
    summary = closing.finalize_due_periods(now=clock.now(), retry_parked=retry_parked)
    for failure in summary.failed:
        log.error("period %s could not be finalized: %s", failure.period_id, failure.reason)


@shared_task(name="invoices.mail_issued_invoice")
def mail_issued_invoice(invoice_id: str) -> None:
    mailing.mail_issued_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="invoices.mail_unmailed_invoices")
def mail_unmailed_invoices() -> None:
    now = clock.now()
    for invoice_id in mailing.unmailed_invoices(now=now):
        mailing.mail_issued_invoice(invoice_id=invoice_id, now=now)


@shared_task(name="invoices.push_invoice")
def push_invoice(invoice_id: str) -> None:
    push.push_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="invoices.sweep_pushes")
def sweep_pushes() -> None:
    for invoice_id in push.due_pushes(now=clock.now()):
        enqueue(push_invoice, str(invoice_id))


@shared_task(name="invoices.update_customer")
def update_customer(workspace_id: str) -> None:
    customers.update_customer(workspace_id=UUID(workspace_id), now=clock.now())


@shared_task(name="invoices.sweep_customers")
def sweep_customers() -> None:
    now = clock.now()
    for workspace_id in customers.customers_to_update(now=now):
        customers.update_customer(workspace_id=workspace_id, now=now)
