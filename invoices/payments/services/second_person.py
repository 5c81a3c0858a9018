"""Decisions over large amounts: one person asks, nothing changes until another has confirmed."""

import datetime as dt
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet

from billing.errors import Conflict, SecondPersonNeeded
from billing.formats import money
from invoices.models import CreditNote, Invoice, InvoiceEvent
from invoices.payments.models import AwaitedDecision, Chargeback
from invoices.services.history import record

Decision = AwaitedDecision.Decision


class NothingAwaited(Conflict):
    """Nobody has asked for it, or it is decided."""

    code = "not_waiting"


def needs_second_person(amount: Decimal) -> bool:
    return amount > Decimal(settings.SECOND_PERSON_ABOVE)


def awaited_of(subject: CreditNote | Chargeback) -> AwaitedDecision | None:
    # By a query: what a locked row knew of it before the lock may be gone.
    return _awaited(subject).first()


def agree_or_ask(
    subject: CreditNote | Chargeback,
    invoice: Invoice,
    *,
    amount: Decimal,
    decision: str,
    reason: str,
    by: str,
    now: dt.datetime,
) -> bool:
    """Whether it may be done now; else it is kept as what `by` asks for.

    It may where one person is enough, or another has asked for the same. Somebody who decides
    otherwise asks anew. The invoice is locked.
    """
    known = awaited_of(subject)
    if not needs_second_person(amount):
        _awaited(subject).delete()
        return True
    if known is not None and known.decision == decision:
        if known.asked_by == by[:254]:
            return False
        known.delete()
        return True
    _awaited(subject).delete()
    what = "chargeback" if isinstance(subject, Chargeback) else "credit_note"
    AwaitedDecision.objects.create(
        **{what: subject},
        workspace=invoice.workspace,
        decision=decision,
        reason=reason,
        asked_by=by[:254],
        asked_at=now,
    )
    _note(subject, invoice, f"{_SAID[decision]} is asked for: {reason}", by, now)
    return False


def confirmable(subject: CreditNote | Chargeback, *, by: str) -> AwaitedDecision:
    """What somebody else has asked for. Raises `NothingAwaited` and `SecondPersonNeeded`."""
    known = awaited_of(subject)
    if known is None:
        raise NothingAwaited("Nobody has asked for that, or it is decided.")
    if known.asked_by == by[:254]:
        limit = money(Decimal(settings.SECOND_PERSON_ABOVE), subject.currency)
        raise SecondPersonNeeded(f"Above {limit} somebody else than you has to confirm it.")
    return known


def drop_awaited(
    subject: CreditNote | Chargeback, invoice: Invoice, *, by: str, now: dt.datetime
) -> None:
    """Have what was asked for come to nothing; again changes nothing. The invoice is locked."""
    known = awaited_of(subject)
    if known is not None:
        known.delete()
        _note(subject, invoice, f"{_SAID[known.decision]} is not wanted any more", by, now)


_SAID: dict[str, str] = {
    Decision.VOID: "Voiding {}",
    Decision.ASK_AGAIN: "Asking again for what was charged back",
    Decision.WRITE_OFF: "Writing off what was charged back",
}


def _awaited(subject: CreditNote | Chargeback) -> QuerySet[AwaitedDecision]:
    if isinstance(subject, Chargeback):
        return AwaitedDecision.objects.filter(chargeback=subject)
    return AwaitedDecision.objects.filter(credit_note=subject)


def _note(
    subject: CreditNote | Chargeback, invoice: Invoice, said: str, by: str, now: dt.datetime
) -> None:
    # Staff's own: its customer reads what is decided.
    kind = InvoiceEvent.Kind.DECISION_ASKED
    record(invoice, kind, at=now, source=by, detail=said.format(subject))
