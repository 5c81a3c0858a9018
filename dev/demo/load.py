"""Loading the demo, step by step; a load that was cut short is taken up where it stopped."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple
from uuid import uuid5

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone as clock

from billing.models import BillingPeriod
from billing.months import Interval
from dev.demo import accounts, budgets, documents, prices
from dev.demo.calls import DemoCall, calls_of
from dev.demo.months import demo_months
from dev.demo.personas import Company
from dev.demo.senders import DemoError, Record, Sender
from invoices.models import Invoice, TaxCalculation
from invoices.payments.models import CreditNoteSync, ReportedPayment
from invoices.payments.services.credit_notes.sync import sync_credit_note
from invoices.payments.services.refresh import refresh_invoice
from invoices.payments.services.reporting import report_payment
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.payments.services.tax_calculations import calculate_tax
from invoices.services.asking_ahead import ask_ahead
from invoices.services.closing import finalize_due_periods, finalize_period
from invoices.services.trial_close import trial_close
from usage.services.call_prices import price_calls

_LATE_RECORDS = 6
_POLL_SECONDS = 0.5
_SETTLED_SECONDS = 90

# Announces a step; calls with (done, total) in between move its progress bar.
Progress = Callable[[int, int], None]
Step = Callable[[str], AbstractContextManager[Progress]]


class Loaded(NamedTuple):
    calls: int
    records: int


class _Month(NamedTuple):
    """The calls of one company in one month."""

    company: Company
    calls: list[DemoCall]


class Loader:
    """Brings the personas into the system as production does.

    Everything it sends has the same id or key whenever it is sent: loading twice adds nothing
    but what has happened since.
    """

    def __init__(self, personas: Sequence[Company], *, step: Step) -> None:
        self._personas = personas
        self._ids = {company.id for company in personas}
        self._step = step

    def is_loaded(self) -> bool:
        """Whether all personas have usage in two months; it stays so as months go by."""
        used = (
            BillingPeriod.objects.filter(workspace__in=self._ids, counters__records__gt=0)
            .order_by()
            .values("workspace")
            .annotate(months=Count("pk", distinct=True))
        )
        return used.filter(months__gte=2).count() == len(self._ids)

    def make_accounts(self, *, password: str) -> None:
        now = clock.now()
        with self._step("Making workspaces, people and agents"):
            documents.make_german_company()
            for company in self._personas:
                accounts.make_workspace(company, now=now)
                prices.set_prices(company, now=now)
                documents.add_fee(company, now=now)
            documents.register_for_tax(now=now)
            prices.set_costs_in_dollars(self._personas, now=now)
            accounts.make_finance()
            accounts.let_in(self._personas, password=password)
        with self._step("Giving them cards in Stripe") as progress:
            for done, company in enumerate(self._personas, 1):
                accounts.attach_card(company, now=now)
                progress(done, len(self._personas))

    def load_usage(self, sender: Sender, *, seed: int) -> Loaded:
        """Last month, its close, then this month up to now. Raises `DemoError`."""
        now = clock.now()
        last, this = [], []
        for company in self._personas:
            months = demo_months(now, company.zone)
            last.append(_month(company, months.last, now, seed))
            this.append(_month(company, months.this, now, seed))
        late = _late_records(last[0])
        loaded = self._load_months(sender, last, "Loading last month", held_back=late)
        closing = "Closing last month"
        if settings.CLOSE_NEEDS_APPROVAL:
            closing = "Trying the close of last month"
        with self._step(closing) as progress:
            for done, company in enumerate(self._personas, 1):
                _close_last_month(company, now=clock.now())
                progress(done, len(self._personas))
        for month in this:
            accounts.set_limit(month.company, month.calls, now=clock.now())
        more = self._load_months(sender, this, "Loading this month")
        sender.usage(late)
        budgets.make_budgets(self._personas[0], now=clock.now())
        # The schedule does so each minute; whoever looks at once should see the dearest calls.
        price_calls(now=clock.now())
        return Loaded(loaded.calls + more.calls, loaded.records + more.records + len(late))

    def sync_here(self) -> None:
        """Without worker and web: sync the invoices, and read what became of them, here."""
        for invoice in self._invoices():
            sync_invoice(invoice_id=invoice.pk, now=clock.now())
        self._ask_stripe()
        self.give_and_take()
        for note in CreditNoteSync.objects.filter(credit_note__workspace__in=self._ids):
            sync_credit_note(credit_note_id=note.pk, now=clock.now())
        for report in ReportedPayment.objects.filter(invoice__workspace__in=self._ids):
            report_payment(report_id=report.pk, now=clock.now())

    def give_and_take(self) -> None:
        """What finance does once last month is paid; again changes nothing."""
        documents.give_and_take(self._personas, now=clock.now())

    def wait_until_settled(self) -> list[Invoice]:
        """Wait for the worker's syncs and Stripe's webhooks; what is still not settled then."""
        if not self._invoices().exists():
            return []  # nobody has approved the month yet
        with self._step("Waiting until last month is paid, or declined") as progress:
            deadline = time.monotonic() + _SETTLED_SECONDS
            total = self._invoices().count()
            while unsettled := self._unsettled():
                progress(total - len(unsettled), total)
                if time.monotonic() > deadline:
                    # An account in the cloud sends no webhooks to this machine: ask it.
                    self._ask_stripe()
                    return self._unsettled()
                time.sleep(_POLL_SECONDS)
        return []

    def _load_months(
        self, sender: Sender, months: list[_Month], label: str, *, held_back: Sequence[Record] = ()
    ) -> Loaded:
        """A workspace's month of usage goes in as one request: no close can come in between."""
        calls = records = 0
        with self._step(label) as progress:
            for done, month in enumerate(months, 1):
                usage = [record for record in _usage_records(month) if record not in held_back]
                if month.calls:
                    calls += sum(sender.calls(_call_records(month)))
                if usage:
                    records += sum(sender.usage(usage))
                progress(done, len(months))
        return Loaded(calls, records)

    def _invoices(self) -> QuerySet[Invoice]:
        return (
            Invoice.objects.filter(workspace__in=self._ids)
            .select_related("workspace")
            .order_by("number")
        )

    def _unsettled(self) -> list[Invoice]:
        by_transfer = Q(collection_method="send_invoice", status=Invoice.Status.OPEN)
        waiting = self._invoices().filter(status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN])
        return list(waiting.exclude(by_transfer))

    def _ask_stripe(self) -> None:
        for invoice in self._unsettled():
            if invoice.stripe_invoice_id:
                refresh_invoice(
                    invoice.stripe_account,
                    stripe_invoice_id=invoice.stripe_invoice_id,
                    now=clock.now(),
                )


def _month(company: Company, month: Interval, now: dt.datetime, seed: int) -> _Month:
    return _Month(company, list(calls_of(company, month, until=now, seed=seed)))


def _close_last_month(company: Company, *, now: dt.datetime) -> None:
    """As the schedule does; on the first day of a month as finance does, without the grace."""
    ask_ahead(now=now)
    for pk in TaxCalculation.objects.filter(answered_at=None).values_list("pk", flat=True):
        calculate_tax(calculation_id=pk, now=now)
    if settings.CLOSE_NEEDS_APPROVAL:
        # Left to whoever looks at it: tried, and not closed until somebody approves it.
        trial_close(now=now, workspace_id=company.id)
        return
    finalize_due_periods(now=now, workspace_id=company.id)
    periods = BillingPeriod.objects.filter(workspace_id=company.id).order_by("period_start")
    blocked = periods.exclude(close_error="").first()
    if blocked is not None:
        raise DemoError(f"{company.name}'s last month cannot be closed: {blocked.close_error}")
    for period in periods.filter(status=BillingPeriod.Status.CURRENT, period_end__lte=now):
        finalize_period(period_id=period.pk, now=now)


def _late_records(month: _Month) -> list[Record]:
    """The month's last few records of one kind, as if their provider had sent them late."""
    kept = [record for record in _usage_records(month) if record["resource_type"] == "storage"]
    return kept[-_LATE_RECORDS:]


def _call_records(month: _Month) -> list[Record]:
    return [
        {
            "id": str(call.id),
            "workspace_id": str(month.company.id),
            "agent_id": str(uuid5(month.company.id, f"agent/{call.agent}")),
            "direction": call.direction,
            "status": call.status,
            "provider": month.company.telephony,
            "started_at": call.started_at.isoformat(),
            "ended_at": call.ended_at.isoformat(),
            "duration_seconds": str(call.seconds),
        }
        for call in month.calls
    ]


def _usage_records(month: _Month) -> Iterator[Record]:
    for call in month.calls:
        for use in call.uses:
            yield {
                "idempotency_key": use.idempotency_key,
                "workspace_id": str(month.company.id),
                "resource_type": use.resource_type,
                "provider": use.provider,
                "quantity": format(use.quantity, "f"),
                **({"model": use.model} if use.model else {}),
                **({} if use.unit_cost is None else {"unit_cost": format(use.unit_cost, "f")}),
                "occurred_at": call.started_at.isoformat(),
                "call_id": str(call.id),
            }
