"""The steps of a push, written down before the first of them is taken."""

import datetime as dt
from uuid import UUID

from billing.errors import NotFound
from invoices.models import Invoice, InvoicePush, PushStep
from invoices.services.push.params import Line, lines_of

Kind = PushStep.Kind


def ensure_push(*, invoice_id: UUID, now: dt.datetime) -> InvoicePush:
    """The invoice's push, begun if it was not. Raises `NotFound`."""
    if not Invoice.objects.filter(pk=invoice_id).exists():
        raise NotFound(f"There is no invoice {invoice_id}.")
    push, _ = InvoicePush.objects.get_or_create(
        invoice_id=invoice_id, defaults={"next_try_at": now, "created_at": now}
    )
    return push


def stripe_lines(invoice: Invoice) -> dict[str, Line]:
    """The lines of an invoice by subject, in their order; frozen with the invoice."""
    return {line.subject: line for line in lines_of(invoice, list(invoice.items.all()))}


def write_steps(push: InvoicePush, invoice: Invoice, *, now: dt.datetime) -> None:
    """Write the steps of the push's present build, inside the caller's transaction."""
    turns: list[tuple[Kind, str]] = [(Kind.CUSTOMER, "")]
    if push.build > 1:
        turns.append((Kind.DISCARD, ""))
    turns.append((Kind.DRAFT, ""))
    turns += [(Kind.ITEM, subject) for subject in stripe_lines(invoice)]
    turns += [(Kind.COMPARE, ""), (Kind.FINALIZE, "")]
    turns.append((Kind.SEND if invoice.collection_method == "send_invoice" else Kind.PAY, ""))
    PushStep.objects.bulk_create(
        [
            PushStep(
                push=push,
                build=push.build,
                position=position,
                kind=kind,
                subject=subject,
                created_at=now,
            )
            for position, (kind, subject) in enumerate(turns, start=1)
        ]
    )


def next_build(push: InvoicePush) -> None:
    """Leave the present build behind; the next run writes the steps of the new one.

    Inside the caller's transaction, which saves `push`.
    """
    PushStep.objects.filter(push=push, build=push.build).exclude(
        status=PushStep.Status.DONE
    ).update(status=PushStep.Status.ABANDONED)
    push.build += 1
