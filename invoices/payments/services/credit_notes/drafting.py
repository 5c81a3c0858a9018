"""Drafting a credit note, and what comes before it is issued.

A draft holds nothing back: whether the invoice still has what it takes is looked at again, under
the invoice's lock and by constraints, when it is issued.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from billing.errors import Conflict, Invalid, NotFound, SecondPersonNeeded
from billing.formats import money
from billing.money import charge_step, from_charge_steps, to_charge_steps
from invoices.credited import Credited, Rate, TooMuch, credit_lines, credit_total
from invoices.models import CreditNote, CreditNoteItem, CreditNoteTax, Invoice
from invoices.payments.services.second_person import needs_second_person
from invoices.services.history import locked_invoice
from invoices.services.holdings import CREDITABLE, Holdings, holdings, left_of

Status = CreditNote.Status


class NotCreditable(Conflict):
    """The invoice, or the note, is not in a state in which this can be done."""

    code = "not_creditable"


class CreditTooLarge(Conflict):
    """More than is left of the line, or of the invoice."""

    code = "credit_too_large"


class CreditNoteKeyReused(Conflict):
    """The key names another credit note."""

    code = "idempotency_key_reused"


def creditable(invoice: Invoice) -> Decimal:
    """How much of the invoice may still be credited, tax included."""
    return left_of(invoice).total


def draft_credit_note(
    *,
    invoice_id: UUID,
    reason: str,
    explanation: str,
    rest_to: str,
    drafted_by: str,
    now: dt.datetime,
    total: Decimal | None = None,
    items: Mapping[UUID, Decimal] | None = None,
    key: str = "",
) -> CreditNote:
    """Draft a note over `total`, tax included and shared among all lines, or over some `items`'
    net; under a `key` that was used before, it is the same note.

    Raises `Invalid`, `NotFound`, `NotCreditable`, `CreditTooLarge` and `CreditNoteKeyReused`.
    """
    with locked_invoice(invoice_id) as invoice:
        if known := _known(invoice, key):
            _require_same(known, invoice, total, items, reason, explanation, rest_to)
            return known
        _require_creditable(invoice)
        if not explanation.strip():
            raise Invalid("Say why; the customer reads it.", field="explanation", code="required")
        if reason not in CreditNote.Reason.values:
            raise Invalid("There is no such reason.", field="reason")
        if rest_to not in CreditNote.RestTo.values:
            raise Invalid("There is no such way.", field="rest_to")
        held = holdings(invoice)
        credited = _credited(invoice, held, total, items)
        note = CreditNote.objects.create(
            workspace=invoice.workspace,
            invoice=invoice,
            reason=reason,
            explanation=explanation.strip()[:500],
            currency=invoice.currency,
            rest_to=rest_to,
            key=key,
            drafted_by=drafted_by[:254],
            created_at=now,
            **_amounts(credited, invoice.currency),
        )
        _write_lines(note, credited, held.names)
        return note


def approve_credit_note(*, credit_note_id: UUID, by: str, now: dt.datetime) -> CreditNote:
    """Approve a draft; above `SECOND_PERSON_ABOVE` by somebody else than who drafted it.

    Raises `NotFound`, `NotCreditable` and `SecondPersonNeeded`.
    """
    with locked_note(credit_note_id) as (note, _):
        if note.status in (Status.APPROVED, Status.ISSUED):
            return note
        if note.status != Status.DRAFT:
            raise NotCreditable("It is void." if note.is_void else "It was discarded.")
        if needs_second_person(note.total) and by == note.drafted_by:
            limit = money(Decimal(settings.SECOND_PERSON_ABOVE), note.currency)
            raise SecondPersonNeeded(f"Above {limit} somebody else than you has to approve it.")
        note.status, note.approved_by, note.approved_at = Status.APPROVED, by[:254], now
        note.save(update_fields=["status", "approved_by", "approved_at"])
        return note


def discard_credit_note(*, credit_note_id: UUID, now: dt.datetime) -> CreditNote:
    """Have a note that is not issued come to nothing. Raises `NotCreditable` for one that is."""
    with locked_note(credit_note_id) as (note, _):
        if note.number is not None:
            raise NotCreditable(f"{note.number} is issued: void it instead.")
        if note.status != Status.VOID:
            note.status, note.voided_at = Status.VOID, now
            note.save(update_fields=["status", "voided_at"])
        return note


def require_not_issued(note: CreditNote) -> None:
    """Raises `NotCreditable` for one that nothing is to be decided about any more."""
    if note.is_void:
        raise NotCreditable(f"{note.number} is void.")
    if note.status in (Status.ISSUED, Status.VOID):
        raise NotCreditable(f"{note.number} is issued." if note.number else "It was discarded.")


@contextmanager
def locked_note(credit_note_id: UUID) -> Iterator[tuple[CreditNote, Invoice]]:
    """A note and its invoice, the invoice locked as everything locks it."""
    invoice_id = (
        CreditNote.objects.filter(pk=credit_note_id).values_list("invoice", flat=True).first()
    )
    if invoice_id is None:
        raise NotFound(f"There is no credit note {credit_note_id}.")
    with locked_invoice(invoice_id) as invoice:
        note = CreditNote.objects.select_for_update().get(pk=credit_note_id)
        note.invoice, note.workspace = invoice, invoice.workspace
        yield note, invoice


def _write_lines(note: CreditNote, credited: Credited, names: Mapping[Rate, str]) -> None:
    CreditNoteItem.objects.bulk_create(
        CreditNoteItem(
            credit_note=note,
            position=position,
            item_id=item,
            net=from_charge_steps(net, note.currency),
        )
        for position, (item, net) in enumerate(credited.items.items(), start=1)
    )
    CreditNoteTax.objects.bulk_create(
        CreditNoteTax(
            credit_note=note,
            category=category,
            rate=rate,
            name=names.get((category, rate), ""),
            base=from_charge_steps(group.net, note.currency),
            tax=from_charge_steps(group.tax, note.currency),
        )
        for (category, rate), group in credited.taxes.items()
    )


def _known(invoice: Invoice, key: str) -> CreditNote | None:
    """The note that was drafted under this key before."""
    if not key:
        return None
    return CreditNote.objects.filter(workspace=invoice.workspace, key=key).first()


def _require_same(
    known: CreditNote,
    invoice: Invoice,
    total: Decimal | None,
    items: Mapping[UUID, Decimal] | None,
    reason: str,
    explanation: str,
    rest_to: str,
) -> None:
    over = dict(known.items.values_list("item", "net")) if items else known.total
    facts = (known.invoice_id, known.reason, known.explanation, known.rest_to, over)
    asked = (invoice.pk, reason, explanation.strip()[:500], rest_to, items or total)
    if facts != asked:
        raise CreditNoteKeyReused(f"{known.key} names another credit note, over {known.total:f}.")


def _require_creditable(invoice: Invoice) -> None:
    if invoice.status not in CREDITABLE or invoice.carried_over:
        raise NotCreditable(
            f"{invoice.number} is {invoice.get_status_display().lower()}: nothing can be credited."
        )


def _credited(
    invoice: Invoice,
    held: Holdings,
    total: Decimal | None,
    items: Mapping[UUID, Decimal] | None,
) -> Credited:
    if (total is None) == (not items):
        raise Invalid("Name either an amount or lines.", field="amount", code="required")
    try:
        if items:
            wanted = {pk: _steps(net, invoice, f"items.{pk}") for pk, net in items.items()}
            known = {line.id for line in held.lines}
            if unknown := [pk for pk in wanted if pk not in known]:
                raise NotFound(f"{invoice.number} has no line {unknown[0]}.")
            credited = credit_lines(wanted, held.lines, held.groups)
        else:
            assert total is not None
            wanted_total = _steps(total, invoice, "amount")
            credited = credit_total(wanted_total, held.lines, held.groups)
    except TooMuch as error:
        left = money(from_charge_steps(error.left, invoice.currency), invoice.currency)
        raise CreditTooLarge(f"Only {left} of {invoice.number} is left to be credited.") from None
    amounts = _amounts(credited, invoice.currency)
    require_left(invoice, net=amounts["net"], tax=amounts["tax"])
    return credited


def require_left(invoice: Invoice, *, net: Decimal, tax: Decimal) -> None:
    """Refuse more than the whole invoice holds, whose lines may hold more where another rate has a
    credit."""
    left = left_of(invoice)
    if not left.holds(net=net, tax=tax):
        raise CreditTooLarge(
            f"Only {money(left.total, invoice.currency)} of {invoice.number} is left to be"
            f" credited: {money(left.net, invoice.currency)} before tax at most,"
            f" {money(left.tax, invoice.currency)} of tax."
        )


def _steps(amount: Decimal, invoice: Invoice, field: str) -> int:
    if not amount.is_finite() or amount <= 0:
        raise Invalid("A credit is more than zero.", field=field)
    if amount % charge_step(invoice.currency):
        step = charge_step(invoice.currency)
        raise Invalid(f"{invoice.currency} goes in steps of {step:f}.", field=field)
    return to_charge_steps(amount, invoice.currency)


def _amounts(credited: Credited, currency: str) -> dict[str, Decimal]:
    return {
        "net": from_charge_steps(credited.net, currency),
        "tax": from_charge_steps(credited.tax, currency),
        "total": from_charge_steps(credited.total, currency),
    }
