"""What documents are found by besides the fields of their lists: amounts, calls, Stripe's ids."""

import re
from uuid import UUID

from django.db.models import Q, QuerySet

from invoices.admin.search import amount_in
from invoices.models import CreditedRecord, CreditNote
from invoices.payments.models import Chargeback, CreditNoteStep, PaymentEntry

# Of charges, payments, refunds, disputes, credit notes and customers.
_STRIPE_ID = re.compile(r"(ch|py|pi|re|pyr|dp|du|cn|cus)_\w+", re.IGNORECASE)


def is_stripe_id(text: str) -> bool:
    return _STRIPE_ID.fullmatch(text) is not None


def invoices_of_stripe_id(wanted: str) -> Q:
    """Those that a payment, refund, dispute or credit note of Stripe is about, or a customer's.

    In any case of letters: the search of every page asks in small ones.
    """
    if wanted.lower().startswith("cus_"):
        return Q(workspace__stripe_customers__stripe_id__iexact=wanted)
    paid = PaymentEntry.objects.filter(
        Q(stripe_id__iexact=wanted)
        | Q(charge_id__iexact=wanted)
        | Q(payment_intent_id__iexact=wanted)
    )
    disputed = Chargeback.objects.filter(stripe_id__iexact=wanted)
    credited = CreditNote.objects.filter(_of_step(wanted))
    found = [rows.order_by().values("invoice") for rows in (paid, disputed, credited)]
    return Q(pk__in=found[0]) | Q(pk__in=found[1]) | Q(pk__in=found[2])


def credit_notes_of(wanted: str) -> Q | None:
    """By an amount, a call that is given back, or Stripe's id of the note or its refund."""
    amount = amount_in(wanted)
    if amount is not None:
        return Q(total=amount) | Q(net=amount)
    if is_stripe_id(wanted):
        return _of_step(wanted)
    try:
        call = UUID(wanted)
    except ValueError:
        return None
    of_call = CreditedRecord.objects.filter(call_id=call).order_by()
    return Q(pk__in=of_call.values("item__credit_note"))


def also(found: QuerySet, everything: QuerySet, which: Q) -> QuerySet:
    """What was found and what is meant by `which`. By key: the one joins, the other does not."""
    return everything.filter(
        Q(pk__in=found.values("pk")) | Q(pk__in=everything.filter(which).values("pk"))
    )


def _of_step(wanted: str) -> Q:
    steps = CreditNoteStep.objects.filter(stripe_id__iexact=wanted).order_by()
    return Q(pk__in=steps.values("sync"))
