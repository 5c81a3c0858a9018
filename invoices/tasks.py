"""Background work of invoices: each task loads by id and calls one service."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone as clock

from billing.tasks import enqueue
from invoices.services import closing, customers, mailing, payment_page, push


@shared_task(name="invoices.finalize_due_periods")
def finalize_due_periods(retry_parked: bool = False) -> None:
    """Share what is due out among the workers; a chunk that is lost is due in the next hour too."""
    for chunk in closing.due_workspaces(now=clock.now(), retry_parked=retry_parked):
        enqueue(close_workspaces, [str(workspace_id) for workspace_id in chunk], retry_parked)


@shared_task(name="invoices.close_workspaces")
def close_workspaces(workspace_ids: list[str], retry_parked: bool = False) -> None:
    closing.close_workspaces(
        workspace_ids=[UUID(workspace_id) for workspace_id in workspace_ids],
        now=clock.now(),
        retry_parked=retry_parked,
    )


@shared_task(name="invoices.mail_issued_invoice")
def mail_issued_invoice(invoice_id: str) -> None:
    mailing.mail_issued_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="invoices.mail_issued_invoices")
def mail_issued_invoices(invoice_ids: list[str]) -> None:
    # One message from the close for many invoices; from here on each by itself.
    for invoice_id in invoice_ids:
        enqueue(mail_issued_invoice, invoice_id)


@shared_task(name="invoices.mail_unmailed_invoices")
def mail_unmailed_invoices() -> None:
    now = clock.now()
    for invoice_id in mailing.unmailed_invoices(now=now):
        mailing.mail_issued_invoice(invoice_id=invoice_id, now=now)


@shared_task(name="invoices.push_invoice")
def push_invoice(invoice_id: str) -> None:
    push.push_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="invoices.push_invoices")
def push_invoices(invoice_ids: list[str]) -> None:
    for invoice_id in invoice_ids:
        enqueue(push_invoice, invoice_id)


@shared_task(name="invoices.sweep_pushes")
def sweep_pushes() -> None:
    for invoice_id in push.due_pushes(now=clock.now()):
        enqueue(push_invoice, str(invoice_id))


@shared_task(name="invoices.update_customer")
def update_customer(workspace_id: str) -> None:
    customers.update_customer(workspace_id=UUID(workspace_id), now=clock.now())


@shared_task(name="invoices.adopt_saved_card")
def adopt_saved_card(workspace_id: str, session_id: str) -> None:
    payment_page.adopt_saved_card(workspace_id=UUID(workspace_id), session_id=session_id)


@shared_task(name="invoices.sweep_customers")
def sweep_customers() -> None:
    now = clock.now()
    for workspace_id in customers.customers_to_update(now=now):
        customers.update_customer(workspace_id=workspace_id, now=now)
