"""Background work of invoices: each task loads by id and calls one service."""

from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone as clock

from billing.clocks import check_clock
from billing.queue import enqueue
from invoices.services import (
    asking_ahead,
    closing,
    e_invoice_delivery,
    e_invoices,
    mailing,
    trial_close,
)


@shared_task(name="invoices.finalize_due_periods")
def finalize_due_periods(retry_blocked: bool = False) -> None:
    """Share what is due out among the workers; a chunk that is lost is due in the next hour too."""
    check_clock()
    asking_ahead.ask_ahead(now=clock.now())
    if settings.CLOSE_NEEDS_APPROVAL:
        trial_close.trial_close(now=clock.now())
    if not retry_blocked:
        e_invoices.close_blocked_months()
    for chunk in closing.due_workspaces(now=clock.now(), retry_blocked=retry_blocked):
        enqueue(
            "invoices.close_workspaces",
            [str(workspace_id) for workspace_id in chunk],
            retry_blocked,
        )


@shared_task(name="invoices.trial_close")
def try_close() -> None:
    trial_close.trial_close(now=clock.now())


@shared_task(name="invoices.close_workspaces")
def close_workspaces(workspace_ids: list[str], retry_blocked: bool = False) -> None:
    check_clock()
    closing.close_workspaces(
        workspace_ids=[UUID(workspace_id) for workspace_id in workspace_ids],
        now=clock.now(),
        retry_blocked=retry_blocked,
    )


@shared_task(name="invoices.mail_issued_invoice")
def mail_issued_invoice(invoice_id: str) -> None:
    mailing.mail_issued_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="invoices.mail_issued_invoices")
def mail_issued_invoices(invoice_ids: list[str]) -> None:
    # One message from the close for many invoices; from here on each by itself.
    for invoice_id in invoice_ids:
        enqueue("invoices.mail_issued_invoice", invoice_id)


@shared_task(name="invoices.mail_unmailed_invoices")
def mail_unmailed_invoices() -> None:
    now = clock.now()
    for invoice_id in mailing.unmailed_invoices(now=now):
        mailing.mail_issued_invoice(invoice_id=invoice_id, now=now)


@shared_task(name="invoices.deliver_e_invoice")
def deliver_e_invoice(e_invoice_id: str) -> None:
    e_invoice_delivery.deliver_e_invoice(e_invoice_id=UUID(e_invoice_id), now=clock.now())
